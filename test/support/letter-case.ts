import { parse } from 'yaml';
import { kindOf } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { hostFields } from '../../src/proto/host-fields.ts';
import { schemaOf } from '../../src/proto/schema.ts';
import { istioKinds, specOf } from '../property/objects.ts';
import { isFields, member } from './json.ts';

/** Objects with other letters in their hosts, and how many hosts there were, by field (`Destination.host`). */
export interface Recased {
  readonly objects: readonly RawObject[];
  readonly hosts: ReadonlyMap<string, number>;
}

/** Every other letter as a capital, from the first or the second on. */
const mixed = (text: string): string =>
  text
    .split('')
    .map((letter, i) => ((i + text.length) % 2 ? letter.toUpperCase() : letter))
    .join('');

/** The part of a text that is a host: not a namespace before it, what of a cluster's name stands before it, nor a socket. */
function recasedText(text: string): string {
  if (text.startsWith('unix:') || /^https?\./.test(text)) return text;
  const at = Math.max(text.lastIndexOf('/'), text.lastIndexOf('|'), text.lastIndexOf('_.') + 1) + 1;
  return text.slice(0, at) + mixed(text.slice(at));
}

/** The objects with capitals in every field that `hostFields` lists and in the names that ExternalName Services point to. */
export function recased(objects: readonly RawObject[]): Recased {
  const hosts = new Map<string, number>();
  const count = (field: string): void => void hosts.set(field, (hosts.get(field) ?? 0) + 1);

  const texts = (value: unknown, field: string): unknown => {
    if (Array.isArray(value)) return value.map(item => texts(item, field));
    if (typeof value !== 'string') return value;
    const next = recasedText(value);
    if (next !== value) count(field);
    return next;
  };
  const inMessage = (name: string, raw: unknown): unknown => {
    if (!isFields(raw) || name.startsWith('google.')) return raw;
    const { byKey } = schemaOf(name);
    return Object.fromEntries(
      Object.entries(raw).map(([key, value]) => {
        const field = byKey.get(key);
        if (!field) return [key, value];
        if (hostFields[name]?.[field.name]) return [key, texts(value, `${name.split('.').at(-1)}.${field.name}`)];
        if (field.type.kind !== 'message') return [key, value];
        const { name: inner } = field.type;
        if (Array.isArray(value)) return [key, value.map(item => inMessage(inner, item))];
        if (field.shape !== 'map' || !isFields(value)) return [key, inMessage(inner, value)];
        return [key, Object.fromEntries(Object.entries(value).map(([k, item]) => [k, inMessage(inner, item)]))];
      }),
    );
  };
  const inObject = (object: RawObject): RawObject => {
    const kind = kindOf(object);
    if (!kind) return object;
    const text = kind === 'MeshConfig' && object['spec'] === undefined ? member(object['data'], 'mesh') : undefined;
    const spec = typeof text === 'string' ? parse(text) : object['spec'];
    if (kind === 'Service' && isFields(spec) && typeof spec['externalName'] === 'string')
      return { ...object, spec: { ...spec, externalName: texts(spec['externalName'], 'Service.externalName') } };
    return istioKinds.includes(kind) && spec !== undefined
      ? { ...object, spec: inMessage(specOf(kind), spec) }
      : object;
  };
  return { objects: objects.map(inObject), hosts };
}

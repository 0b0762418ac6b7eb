import { isDeepStrictEqual } from 'node:util';
import { typeName } from '../../src/proto/any.ts';
import { findType } from '../../src/proto/bundle.ts';
import { fromJson, toJson } from '../../src/proto/json.ts';
import { type AnyMessage, decodeMessage, encodeMessage, type MessageName } from '../../src/proto/message.ts';
import { schemaOf } from '../../src/proto/schema.ts';
import { messageTypes } from './translation.ts';
import type { Item, List } from './validators-message.ts';

const known = new WeakMap<object, readonly string[]>();

/** What a message has that the wire would drop: its bytes do not show it. */
export function wireFindings(list: List, item: Item): readonly string[] {
  let found = known.get(item);
  if (!found) {
    const { message } = messageTypes.find(type => type.list === list) ?? messageTypes[0];
    found = unknownFields(message, item as AnyMessage).map(path => `the wire has no field ${path}`);
    known.set(item, found);
  }
  return found;
}

/** A message survives encoding and its JSON form unchanged. */
export function roundTrip(name: MessageName, message: AnyMessage): readonly string[] {
  const json = toJson(name, message as never);
  const bytes = encodeMessage(name, message);
  const decoded = decodeMessage(name, bytes);
  const again = fromJson(name, json);
  return [
    ...(isDeepStrictEqual(toJson(name, decoded as never), json) ? [] : ['decoding its bytes gives another message']),
    ...(encodeMessage(name, decoded).equals(bytes) ? [] : ['encoding it twice gives other bytes']),
    ...again.problems.map(p => `its JSON cannot be read: ${p.path}: ${p.message}`),
    ...(again.problems.length > 0 || isDeepStrictEqual(toJson(name, again.value), json)
      ? []
      : ['reading its JSON gives another message']),
  ];
}

/** Paths of fields that a message object has and its type does not; also what is inside an Any. */
export function unknownFields(name: string, message: AnyMessage, path = ''): readonly string[] {
  if (name === 'google.protobuf.Any') return unknownInAny(message, path);
  if (name.startsWith('google.protobuf.')) return [];
  const { fields } = schemaOf(name);
  const found: string[] = [];
  for (const [key, value] of Object.entries(message)) {
    if (value === undefined) continue;
    const at = path ? `${path}.${key}` : key;
    const field = fields.find(f => f.name === key);
    if (!field) {
      found.push(at);
      continue;
    }
    if (field.type.kind !== 'message') continue;
    const inner = field.type.name;
    const items: readonly [string, unknown][] =
      field.shape === 'single'
        ? [[at, value]]
        : Object.entries(value as AnyMessage).map(([index, item]) => [`${at}[${index}]`, item]);
    for (const [where, item] of items) found.push(...unknownFields(inner, item as AnyMessage, where));
  }
  return found;
}

function unknownInAny(any: AnyMessage, path: string): readonly string[] {
  const { type_url, value } = any;
  const name = typeName(typeof type_url === 'string' ? type_url : '');
  if (!findType(name)) return [`${path} (an Any of type '${name}')`];
  return value instanceof Uint8Array ? unknownFields(name, decodeMessage(name, value), path) : [];
}

import protobuf from 'protobufjs';
import { messageType } from './bundle.ts';
import { hostFields, type Spelling } from './host-fields.ts';
import type { Rules } from './rules.ts';
import { sensitiveFields } from './sensitive-fields.ts';

/** What a field's value is: a scalar by its protobuf name, an enum, or a message. */
export type FieldType =
  | { readonly kind: 'scalar'; readonly scalar: string }
  | {
      readonly kind: 'enum';
      readonly name: string;
      readonly byName: ReadonlyMap<string, number>;
      readonly byNumber: ReadonlyMap<number, string>;
    }
  | { readonly kind: 'message'; readonly name: string };

/** A field as the encoder and the JSON forms see it. */
export interface FieldSchema {
  readonly name: string;
  readonly jsonName: string;
  readonly type: FieldType;
  readonly shape: 'single' | 'list' | 'map';
  /** The scalar type of a map's keys. */
  readonly keyType?: string;
  /** Whether a zero value differs from an absent one: messages, members of oneofs, `optional` fields. */
  readonly presence: boolean;
  /** Set where the field names a host: how the reader spells it. */
  readonly spelling?: Spelling;
  /** Whether nobody but its reader is to see it. */
  readonly sensitive?: true;
  /** The oneof that has this and other members. */
  readonly oneof?: string;
  /** The place among the members of the oneof, as declared. */
  readonly order?: number;
  /** What Envoy asks of the value. */
  readonly rules?: Rules;
}

/** Whether a value says no more than its field's absence: an empty list or map, a zero without presence. */
export function isAbsence({ shape, presence, type }: FieldSchema, value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (shape === 'list') return Array.isArray(value) && value.length === 0;
  if (shape === 'map') return Object.keys(value).length === 0;
  return !presence && isZero(type, value);
}

function isZero(type: FieldType, value: unknown): boolean {
  if (value === '' || value === false) return true;
  if (value instanceof Uint8Array) return value.length === 0;
  // A negative zero is a value of its own, where the type has one.
  const isFloat = type.kind === 'scalar' && (type.scalar === 'double' || type.scalar === 'float');
  return isFloat ? Object.is(value, 0) : value === 0;
}

/** A message type; its fields come in the order of their numbers. */
export interface MessageSchema {
  readonly name: string;
  readonly fields: readonly FieldSchema[];
  /** Fields by proto name and by JSON name. */
  readonly byKey: ReadonlyMap<string, FieldSchema>;
  /** Oneofs of which Envoy wants a member to be set. */
  readonly required: readonly { readonly name: string; readonly members: readonly string[] }[];
}

const schemas = new Map<string, MessageSchema>();

/** The schema of a message type. Throws on an unknown name. */
export function schemaOf(name: string): MessageSchema {
  let schema = schemas.get(name);
  if (!schema) {
    schema = messageSchema(messageType(name));
    schemas.set(name, schema);
  }
  return schema;
}

function messageSchema(type: protobuf.Type): MessageSchema {
  const name = type.fullName.slice(1);
  const fields: FieldSchema[] = [];
  const byKey = new Map<string, FieldSchema>();
  for (const field of [...type.fieldsArray].sort((a, b) => a.id - b.id)) {
    const spelling = hostFields[name]?.[field.name];
    const sensitive = sensitiveFields[name]?.includes(field.name) && { sensitive: true as const };
    const schema = { ...fieldSchema(field.resolve()), ...(spelling && { spelling }), ...sensitive };
    fields.push(schema);
    for (const key of spellings(field)) byKey.set(key, schema);
  }
  const required = type.oneofsArray
    .filter(oneof => oneof.options?.['required'])
    .map(oneof => ({ name: oneof.name, members: oneof.oneof }));
  return { name, fields, byKey, required };
}

function fieldSchema(field: protobuf.Field): FieldSchema {
  const type = fieldType(field);
  const members = field.partOf?.oneof.length ?? 0;
  const rules = field.options?.['rules'] && rulesOf(field);
  return {
    name: field.name,
    jsonName: jsonName(field),
    type,
    shape: field instanceof protobuf.MapField ? 'map' : field.repeated ? 'list' : 'single',
    ...(field instanceof protobuf.MapField && { keyType: field.keyType }),
    presence: type.kind === 'message' || members > 0,
    ...(field.partOf && members > 1 && { oneof: field.partOf.name, order: field.partOf.oneof.indexOf(field.name) }),
    ...(rules && { rules }),
  };
}

/** What is asked of a member of a oneof is asked where it is the chosen one. */
function rulesOf({ options, partOf }: protobuf.Field): Rules {
  const rules = options?.['rules'] as Rules;
  return partOf ? { ...rules, required: false } : rules;
}

function fieldType(field: protobuf.Field): FieldType {
  const resolved = field.resolvedType;
  if (resolved instanceof protobuf.Type) return { kind: 'message', name: resolved.fullName.slice(1) };
  if (!resolved) return { kind: 'scalar', scalar: field.type };
  const byName = new Map(Object.entries(resolved.values));
  const byNumber = new Map<number, string>();
  for (const [name, value] of byName) if (!byNumber.has(value)) byNumber.set(value, name);
  return { kind: 'enum', name: resolved.fullName.slice(1), byName, byNumber };
}

/** Names of a field that cannot be derived from the one that the bundle has. */
const otherNames = (field: protobuf.Field): { readonly json_name?: string; readonly proto_name?: string } =>
  field.options ?? {};

const jsonName = (field: protobuf.Field): string => otherNames(field).json_name ?? lowerCamel(field.name);

const spellings = (field: protobuf.Field): readonly string[] => [
  field.name,
  jsonName(field),
  otherNames(field).proto_name ?? snake(field.name),
];

/** protoc's rule for a field's JSON name. */
export const lowerCamel = (name: string): string =>
  name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());

/** The proto name behind a lower-camel JSON name. */
export const snake = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);

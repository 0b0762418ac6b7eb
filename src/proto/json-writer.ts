import { isList, type Json } from '../unknown.ts';
import { typeName } from './any.ts';
import { findType } from './bundle.ts';
import { formatDuration } from './duration.ts';
import { type AnyMessage, decodeMessage, type MessageName, type MessageTypes } from './message.ts';
import { shownJson, shownScalar, withheld } from './redact.ts';
import { type FieldSchema, type FieldType, isAbsence, lowerCamel, schemaOf } from './schema.ts';
import { formatTimestamp } from './timestamp.ts';
import { fromStruct, fromValue } from './wellknown.ts';

/**
 * A message as proto3 JSON with the bundle's field names, like protojson with UseProtoNames. Throws on an Any whose type the bundle lacks.
 */
export function toJson<N extends MessageName>(name: N, message: MessageTypes[N]): Json {
  return messageJson(name, message as AnyMessage);
}

/** {@link toJson} with lower-camel names, as protojson writes them unless told otherwise, for people: what is sensitive is not in it. */
export function toCamelJson<N extends MessageName>(name: N, message: MessageTypes[N]): Json {
  return messageCamelJson(name, message as AnyMessage);
}

/** The JSON of messages whose types are known only at run time, and of their parts. */
interface Writer {
  readonly message: (name: string, message: AnyMessage) => Json;
  readonly value: (type: FieldType, value: unknown) => Json;
  readonly any: (any: AnyMessage) => Json;
}

/** Writes with fields named so; `forPeople`: without what is sensitive. */
function writer(nameOf: (field: FieldSchema) => string, forPeople: boolean): Writer {
  const messageOf = (name: string, message: AnyMessage): Json => {
    if (name === 'google.protobuf.Any') return anyOf(message);
    const special = wellKnown[name];
    if (!special) return fieldsOf(name, message);
    return forPeople ? shownJson(special(message)) : special(message);
  };

  const fieldsOf = (name: string, message: AnyMessage): { [key: string]: Json } => {
    const out: { [key: string]: Json } = {};
    for (const field of schemaOf(name).fields) {
      const value = message[field.name];
      if (!isAbsence(field, value))
        out[nameOf(field)] = fieldOf(field, forPeople && field.sensitive ? withheld(field, value) : value);
    }
    return out;
  };

  const fieldOf = (field: FieldSchema, value: unknown): Json => {
    switch (field.shape) {
      case 'list':
        return (value as readonly unknown[]).map(item => valueOf(field.type, item));
      case 'map': {
        const entries = Object.entries(value as AnyMessage).sort(([a], [b]) => (a < b ? -1 : 1));
        return Object.fromEntries(entries.map(([key, item]) => [key, valueOf(field.type, item)]));
      }
      case 'single':
        return valueOf(field.type, value);
    }
  };

  const valueOf = (type: FieldType, value: unknown): Json => {
    switch (type.kind) {
      case 'message':
        return messageOf(type.name, value as AnyMessage);
      case 'enum':
        if (type.name === 'google.protobuf.NullValue') return null;
        return type.byNumber.get(value as number) ?? (value as number);
      case 'scalar':
        return scalarJson(type.scalar, forPeople ? shownScalar(value) : value);
    }
  };

  const anyOf = (any: AnyMessage): Json => {
    const url = (any['type_url'] as string | undefined) ?? '';
    const value = (any['value'] as Uint8Array | undefined) ?? new Uint8Array();
    if (url === '' && value.length === 0) return {};
    const name = typeName(url);
    if (!findType(name))
      throw new Error(`Any of unknown type ${url || '(none)'}: add it to proto/roots.txt and run npm run gen`);
    const message = decodeMessage(name, value);
    return hasOwnForm(name)
      ? { '@type': url, value: messageOf(name, message) }
      : { '@type': url, ...fieldsOf(name, message) };
  };

  return { message: messageOf, value: valueOf, any: anyOf };
}

function scalarJson(scalar: string, value: unknown): Json {
  switch (scalar) {
    case 'bytes':
      return Buffer.from(value as Uint8Array).toString('base64');
    case 'int64':
    case 'uint64':
    case 'sint64':
    case 'fixed64':
    case 'sfixed64':
      return BigInt(value as number).toString();
    case 'float':
      return floatJson(shortestFloat(value as number));
    case 'double':
      return floatJson(value as number);
    default:
      return value as Json;
  }
}

const floatJson = (value: number): Json => (Number.isFinite(value) ? value : String(value));

/** The shortest decimal that is the same 32-bit float: 0.1 rather than 0.10000000149011612. */
function shortestFloat(value: number): number {
  const single = Math.fround(value);
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return short;
  }
  return single;
}

function sortedKeys(json: Json): Json {
  if (typeof json !== 'object' || json === null) return json;
  if (isList(json)) return json.map(sortedKeys);
  const entries = Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, item === undefined ? item : sortedKeys(item)]));
}

const wrapper =
  (scalar: string, zero: unknown) =>
  (message: AnyMessage): Json =>
    scalarJson(scalar, message['value'] ?? zero);

/** The messages that have a JSON form of their own. */
const wellKnown: Readonly<Record<string, (message: AnyMessage) => Json>> = {
  'google.protobuf.Duration': formatDuration,
  'google.protobuf.Timestamp': formatTimestamp,
  'google.protobuf.FieldMask': mask =>
    ((mask['paths'] as readonly string[] | undefined) ?? []).map(lowerCamel).join(','),
  'google.protobuf.Struct': s => sortedKeys(fromStruct(s)),
  'google.protobuf.Value': v => sortedKeys(fromValue(v)),
  'google.protobuf.ListValue': list => sortedKeys(fromValue({ list_value: list })),
  'google.protobuf.BoolValue': wrapper('bool', false),
  'google.protobuf.StringValue': wrapper('string', ''),
  'google.protobuf.BytesValue': wrapper('bytes', new Uint8Array()),
  'google.protobuf.Int32Value': wrapper('int32', 0),
  'google.protobuf.UInt32Value': wrapper('uint32', 0),
  'google.protobuf.Int64Value': wrapper('int64', 0),
  'google.protobuf.UInt64Value': wrapper('uint64', 0),
  'google.protobuf.FloatValue': wrapper('float', 0),
  'google.protobuf.DoubleValue': wrapper('double', 0),
};

/** {@link toJson} for a type known only at run time. */
export const { message: messageJson } = writer(field => field.name, false);

/** {@link toCamelJson} for a type known only at run time; the JSON of a field's value; and of an Any. */
export const {
  message: messageCamelJson,
  value: valueCamelJson,
  any: anyMessage,
} = writer(field => field.jsonName, true);

/** Whether a message has a JSON form of its own, so that beside an Any's type it is a `value`. */
export const hasOwnForm = (name: string): boolean => name === 'google.protobuf.Any' || wellKnown[name] !== undefined;

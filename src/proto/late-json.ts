import protobuf from 'protobufjs';
import { addTo } from '../lists.ts';
import { typeName } from './any.ts';
import { findType, messageType } from './bundle.ts';
import type { Any, Value } from './generated/google/protobuf.ts';
import { anyMessage, hasOwnForm, messageCamelJson, valueCamelJson } from './json-writer.ts';
import { type AnyMessage, decodeMessage, type MessageName, type MessageTypes } from './message.ts';
import { isSensitive, withheld, withheldJson } from './redact.ts';
import { type FieldSchema, isAbsence, schemaOf } from './schema.ts';
import { fromValue } from './wellknown.ts';

/** Stands where an item could be: there is none yet, and others may have their turn. */
export const pause = Symbol('pause');

/**
 * JSON that is made while it is read: where a function stands it makes the value, an iterable is a list that makes its items, and `Members` an
 * object that makes its members. Members that are undefined are left out.
 */
export type LateJson = null | boolean | number | string | object;
export type LateList = Iterable<LateJson | typeof pause>;

/** An object whose members are made while it is read. */
export class Members {
  readonly entries: Iterable<readonly [string, LateJson] | typeof pause>;

  constructor(entries: Iterable<readonly [string, LateJson] | typeof pause>) {
    this.entries = entries;
  }
}

/** What is made of items when it is read: a list, or the members of an object. */
export const each = <T, J extends LateJson>(
  items: Iterable<T | typeof pause>,
  make: (item: T) => J,
): Iterable<J | typeof pause> => ({
  *[Symbol.iterator]() {
    for (const item of items) yield item === pause ? pause : make(item);
  },
});

/** Bytes that are decoded at once, and, of a list in a message, items that are made at once. */
const BYTES = 4096;
const ITEMS = 8;

/** The JSON of an Any with lower-camel names; what is long of it is decoded and made part by part. */
export const lateAny = ({ type_url: url = '', value = new Uint8Array() }: Any): LateJson =>
  value.length <= BYTES ? anyMessage({ type_url: url, value }) : () => longAny(url, value);

function longAny(url: string, value: Uint8Array): LateJson {
  const name = typeName(url);
  if (!findType(name)) return anyMessage({ type_url: url, value });
  const head = { '@type': url };
  return hasOwnForm(name) ? { ...head, value: late(name, value) } : { ...head, ...fieldsApart(name, value) };
}

/** The JSON of an encoded message. */
function late(name: string, bytes: Uint8Array): LateJson {
  if (bytes.length <= BYTES) return messageCamelJson(name, decodeMessage(name, bytes));
  if (name === 'google.protobuf.Any') return lateAny(decodeMessage(name, bytes) as Any);
  if (hasOwnForm(name)) return () => lateMessage(name, decodeMessage(name, bytes));
  return () => fieldsApart(name, bytes);
}

/** Where a field stands in a message: from its tag, and from its content, if that has a length. */
interface Occurrence {
  readonly from: number;
  readonly content: number;
  readonly to: number;
}

function occurrences(bytes: Uint8Array): ReadonlyMap<number, readonly Occurrence[]> {
  const reader = protobuf.Reader.create(bytes);
  const found = new Map<number, Occurrence[]>();
  while (reader.pos < reader.len) {
    const from = reader.pos;
    const tag = reader.uint32();
    const isLong = (tag & 7) === 2;
    const length = isLong ? reader.uint32() : 0;
    const content = reader.pos;
    if (isLong) reader.skip(length);
    else reader.skipType(tag & 7);
    addTo(found, tag >>> 3, { from, content, to: reader.pos });
  }
  return found;
}

function fieldsApart(name: string, bytes: Uint8Array): object {
  const { fieldsById } = messageType(name);
  const { byKey } = schemaOf(name);
  const found = [...occurrences(bytes)].sort(([a], [b]) => a - b);
  const out: { [name: string]: LateJson } = {};
  for (const [id, places] of found) {
    const field = byKey.get(fieldsById[id]?.name ?? '');
    if (!field) continue;
    const json = fieldApart(name, field, bytes, places);
    if (json !== undefined) out[field.jsonName] = json;
  }
  return out;
}

function fieldApart(
  name: string,
  field: FieldSchema,
  bytes: Uint8Array,
  places: readonly Occurrence[],
): LateJson | undefined {
  const { type, shape } = field;
  if (field.sensitive) return valueOfField(field, decodeMessage(name, joined(bytes, places))[field.name]);
  const contentOf = ({ content, to }: Occurrence): Uint8Array => bytes.subarray(content, to);
  if (shape === 'map') return new Members(membersApart(name, field, bytes, places));
  if (type.kind === 'message' && shape === 'list') return each(places, place => late(type.name, contentOf(place)));
  const [only, ...more] = places;
  if (type.kind === 'message' && only && !more.length) return late(type.name, contentOf(only));
  // Values that are no messages: as many at once as are decoded at once.
  const decoded = (from: readonly Occurrence[]): unknown => decodeMessage(name, joined(bytes, from))[field.name];
  if (shape === 'list' && more.length) return listApart(field, places, decoded);
  const value = decoded(places);
  return isAbsence(field, value) ? undefined : valueOfField(field, value);
}

const joined = (bytes: Uint8Array, places: readonly Occurrence[]): Uint8Array =>
  Buffer.concat(places.map(({ from, to }) => bytes.subarray(from, to)));

function* listApart(
  field: FieldSchema,
  places: readonly Occurrence[],
  decoded: (places: readonly Occurrence[]) => unknown,
): Generator<LateJson> {
  for (let at = 0; at < places.length; ) {
    const first = places[at];
    let to = at + 1;
    while (first && (places[to]?.to ?? Number.POSITIVE_INFINITY) - first.from <= BYTES) to++;
    for (const item of decoded(places.slice(at, to)) as readonly unknown[]) yield valueCamelJson(field.type, item);
    at = to;
  }
}

/** The members of a map in the order of its encoding, which is that of their names. */
function* membersApart(
  name: string,
  { name: field, type }: FieldSchema,
  bytes: Uint8Array,
  places: readonly Occurrence[],
): Generator<readonly [string, LateJson]> {
  for (const place of places) {
    const map = decodeMessage(name, joined(bytes, [place]))[field] as AnyMessage;
    for (const [key, value] of Object.entries(map)) yield [key, lateValue(type, value)];
  }
}

/** The JSON of a message with lower-camel names; what is long of it is made part by part. */
export const lateCamelJson = <N extends MessageName>(name: N, message: MessageTypes[N]): LateJson =>
  lateMessage(name, message as AnyMessage);

function lateMessage(name: string, message: AnyMessage): LateJson {
  if (name === 'google.protobuf.Any') return lateAny(message as Any);
  if (name === 'google.protobuf.Struct') return lateStruct(message);
  if (name === 'google.protobuf.ListValue') return lateList(message);
  if (name === 'google.protobuf.Value') return lateStructValue(message);
  if (hasOwnForm(name)) return messageCamelJson(name, message);
  const out: { [name: string]: LateJson } = {};
  for (const field of schemaOf(name).fields) {
    const value = message[field.name];
    if (!isAbsence(field, value)) out[field.jsonName] = valueOfField(field, value);
  }
  return out;
}

/** The JSON of a field as it may be shown. */
const valueOfField = (field: FieldSchema, value: unknown): LateJson =>
  lateField(field, field.sensitive ? withheld(field, value) : value);

function lateField(field: FieldSchema, value: unknown): LateJson {
  const make = (item: unknown): LateJson => lateValue(field.type, item);
  if (field.shape === 'list') return lateItems(value as readonly unknown[], make);
  if (field.shape === 'map') return lateMembers(value as AnyMessage, make);
  return make(value);
}

const lateValue = (type: FieldSchema['type'], value: unknown): LateJson =>
  type.kind === 'message' ? lateMessage(type.name, value as AnyMessage) : valueCamelJson(type, value);

const lateItems = (items: readonly unknown[], make: (item: unknown) => LateJson): LateJson =>
  items.length > ITEMS ? each(items, make) : items.map(make);

function lateMembers(map: AnyMessage, make: (item: unknown, name: string) => LateJson): LateJson {
  const names = Object.keys(map).sort();
  if (names.length <= ITEMS) return Object.fromEntries(names.map(name => [name, make(map[name], name)]));
  return new Members(each(names, name => [name, make(map[name], name)] as const));
}

const lateStruct = ({ fields }: AnyMessage): LateJson =>
  lateMembers((fields ?? {}) as AnyMessage, (member, name) =>
    isSensitive(name) ? withheldJson(fromValue(member as Value)) : lateStructValue(member as AnyMessage),
  );

const lateList = ({ values }: AnyMessage): LateJson =>
  lateItems((values ?? []) as readonly unknown[], item => lateStructValue(item as AnyMessage));

function lateStructValue(value: AnyMessage): LateJson {
  if (value['struct_value']) return lateStruct(value['struct_value'] as AnyMessage);
  if (value['list_value']) return lateList(value['list_value'] as AnyMessage);
  return messageCamelJson('google.protobuf.Value', value);
}

import protobuf from 'protobufjs';
import { isList, type Json } from '../unknown.ts';
import { typeName } from './any.ts';
import { findType } from './bundle.ts';
import type { Any, Struct } from './generated/google/protobuf.ts';
import { type AnyMessage, decodeMessage, encodeMessage } from './message.ts';
import { type FieldSchema, type FieldType, schemaOf } from './schema.ts';
import { sensitiveNames } from './sensitive-fields.ts';
import { fromStruct, struct } from './wellknown.ts';

/** Envoy's and istiod's words in place of what is not shown. */
const WITHHELD = '[redacted]';
const WITHHELD_BYTES = Buffer.from(WITHHELD);

const KEY = 'PRIVATE KEY';
/** How PEM begins in base64. */
const PEM = 'LS0tLS1CRUdJT';

/** Whether a text is a private key, or its base64. */
const isKey = (text: string): boolean =>
  text.includes(KEY) || (text.includes(PEM) && Buffer.from(text.slice(text.indexOf(PEM)), 'base64').includes(KEY));

/** A scalar as it may be shown: no private key, whatever the field. */
export function shownScalar(value: unknown): unknown {
  if (typeof value === 'string') return shownText(value);
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.length).includes(KEY) ? WITHHELD_BYTES : value;
  return value;
}

/** A sensitive value: its texts and bytes replaced, and nothing else of it, as Envoy has it in its own dumps. */
export function withheld(field: FieldSchema, value: unknown): unknown {
  if (field.shape === 'list') return (value as readonly unknown[]).map(item => withheldValue(field.type, item));
  if (field.shape === 'map')
    return Object.fromEntries(
      Object.entries(value as AnyMessage).map(([k, item]) => [k, withheldValue(field.type, item)]),
    );
  return withheldValue(field.type, value);
}

function withheldValue(type: FieldType, value: unknown): unknown {
  if (type.kind === 'enum') return value;
  if (type.kind === 'scalar')
    return typeof value === 'string' ? WITHHELD : value instanceof Uint8Array ? WITHHELD_BYTES : value;
  if (type.name === 'google.protobuf.Any') return { type_url: (value as Any).type_url };
  const out: Record<string, unknown> = {};
  for (const field of schemaOf(type.name).fields) {
    const part = (value as AnyMessage)[field.name];
    if (part !== undefined) out[field.name] = withheld(field, part);
  }
  return out;
}

const shownText = (text: string): string => (isKey(text) ? WITHHELD : text);

/** JSON that somebody wrote: what has the name of something sensitive, or is a private key, is not shown; no text is where all is `hidden`. */
export function shownJson(json: Json, hidden = false): Json {
  if (typeof json === 'string') return hidden ? WITHHELD : shownText(json);
  if (typeof json !== 'object' || json === null) return json;
  if (isList(json)) return json.map(item => shownJson(item, hidden));
  const member = (name: string, part: Json): Json => shownJson(part, hidden || isSensitive(name));
  return Object.fromEntries(
    Object.entries(json).map(([name, part]) => [name, part === undefined ? part : member(name, part)]),
  );
}

/** All texts of JSON replaced. */
export const withheldJson = (json: Json): Json => shownJson(json, true);

/** Whether a member of JSON that somebody wrote is not shown. */
export const isSensitive = (name: string): boolean => sensitiveNames.has(name);

/** A message as it may be shown, also within Anys. The same message where there is nothing to withhold. */
export function redacted(name: string, message: AnyMessage): AnyMessage {
  if (name === 'google.protobuf.Any') return redactedAny(message as Any) as AnyMessage;
  if (name === 'google.protobuf.Struct') return redactedStruct(message as Struct) as AnyMessage;
  let copy: Record<string, unknown> | undefined;
  for (const field of schemaOf(name).fields) {
    const value = message[field.name];
    if (value === undefined || value === null) continue;
    const shown = field.sensitive ? withheld(field, value) : shownField(field, value);
    if (shown === value) continue;
    copy ??= { ...message };
    copy[field.name] = shown;
  }
  return copy ?? message;
}

/** An encoded message as it may be shown, looked through field by field, items of lists apart: it may be long. The same bytes where there is nothing to withhold. */
export function* redactedInParts(name: string, bytes: Uint8Array): Generator<undefined, Uint8Array> {
  const reader = protobuf.Reader.create(bytes);
  const parts: Uint8Array[] = [];
  let isSame = true;
  while (reader.pos < reader.len) {
    const from = reader.pos;
    reader.skipType(reader.uint32() & 7);
    const part = bytes.subarray(from, reader.pos);
    const message = decodeMessage(name, part);
    const shown = redacted(name, message);
    if (shown !== message) isSame = false;
    parts.push(shown === message ? part : encodeMessage(name, shown));
    yield;
  }
  return isSame ? bytes : Buffer.concat(parts);
}

function shownField({ shape, type }: FieldSchema, value: unknown): unknown {
  const shown = (item: unknown): unknown => {
    if (type.kind === 'message') return redacted(type.name, item as AnyMessage);
    return type.kind === 'scalar' ? shownScalar(item) : item;
  };
  if (shape === 'single') return shown(value);
  const entries = Object.entries(value as AnyMessage).map(([key, item]) => ({ key, item, now: shown(item) }));
  if (entries.every(({ item, now }) => item === now)) return value;
  if (shape === 'list') return entries.map(({ now }) => now);
  return Object.fromEntries(entries.map(({ key, now }) => [key, now]));
}

function redactedStruct(message: Struct): Struct {
  const json = fromStruct(message);
  const shown = shownJson(json) as typeof json;
  return JSON.stringify(shown) === JSON.stringify(json) ? message : struct(shown);
}

function redactedAny(any: Any): Any {
  const { type_url: url = '', value = new Uint8Array() } = any;
  const name = typeName(url);
  if (!findType(name)) return any;
  const message = decodeMessage(name, value);
  const shown = redacted(name, message);
  return shown === message ? any : { type_url: url, value: encodeMessage(name, shown) };
}

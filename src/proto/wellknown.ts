import { isList, type Json } from '../unknown.ts';
import type { ListValue, Struct, Value } from './generated/google/protobuf.ts';

export { duration, milliseconds, seconds } from './duration.ts';
export { timestamp } from './timestamp.ts';

const wrap = <T>(value: T): { readonly value: T } => Object.freeze({ value });

const TRUE = wrap(true);
const FALSE = wrap(false);

/** A BoolValue. */
export const bool = (value: boolean): { readonly value: boolean } => (value ? TRUE : FALSE);
/** A UInt32Value. */
export const uint32 = (value: number): { readonly value: number } => wrap(value);
/** A UInt64Value; exact up to 2^53. */
export const uint64 = (value: number): { readonly value: number } => wrap(value);
/** An Int32Value. */
export const int32 = (value: number): { readonly value: number } => wrap(value);
/** An Int64Value; exact up to 2^53. */
export const int64 = (value: number): { readonly value: number } => wrap(value);
/** A DoubleValue. */
export const double = (value: number): { readonly value: number } => wrap(value);
/** A FloatValue. */
export const float = (value: number): { readonly value: number } => wrap(value);
/** A StringValue. */
export const string = (value: string): { readonly value: string } => wrap(value);
/** A BytesValue. */
export const bytes = (value: Uint8Array): { readonly value: Uint8Array } => wrap(value);

/** A Struct with the members of an object. */
export function struct(object: { readonly [key: string]: Json | undefined }): Struct {
  const fields: [string, Value][] = [];
  for (const [key, member] of Object.entries(object)) if (member !== undefined) fields.push([key, value(member)]);
  return { fields: Object.fromEntries(fields) };
}

/** A Value that holds a JSON value. */
export function value(json: Json): Value {
  switch (typeof json) {
    case 'boolean':
      return { bool_value: json };
    case 'number':
      return { number_value: json };
    case 'string':
      return { string_value: json };
    default:
      if (json === null) return { null_value: 0 };
      return isList(json) ? { list_value: { values: json.map(value) } } : { struct_value: struct(json) };
  }
}

/** The object that a Struct stands for. */
export function fromStruct(s: Struct): { readonly [key: string]: Json } {
  return Object.fromEntries(Object.entries(s.fields ?? {}).map(([key, member]) => [key, fromValue(member)]));
}

/** The JSON value that a Value stands for; an empty Value is null. */
export function fromValue(v: Value): Json {
  if (v.struct_value) return fromStruct(v.struct_value);
  if (v.list_value) return fromList(v.list_value);
  return v.string_value ?? v.number_value ?? v.bool_value ?? null;
}

const fromList = (list: ListValue): readonly Json[] => (list.values ?? []).map(fromValue);

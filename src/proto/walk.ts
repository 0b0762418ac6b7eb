import { typeName } from './any.ts';
import { findType } from './bundle.ts';
import type { Any } from './generated/google/protobuf.ts';
import { type AnyMessage, decodeMessage } from './message.ts';
import { type FieldSchema, schemaOf } from './schema.ts';

/** Told of a message: its full name, the message, and where it is: `routes[0].match`. */
export type Visit = (name: string, message: AnyMessage, path: string) => void;

const NO_BYTES = new Uint8Array();

function walkAny(any: Any, path: string, visit: Visit): void {
  const name = typeName(any.type_url ?? '');
  if (findType(name)) walk(name, decodeMessage(name, any.value ?? NO_BYTES), path, visit);
}

function walkField({ name, shape }: FieldSchema, type: string, value: unknown, path: string, visit: Visit): void {
  const at = path ? `${path}.${name}` : name;
  if (typeof value !== 'object' || value === null) return;
  if (shape === 'single') walk(type, value as AnyMessage, at, visit);
  else
    for (const [key, item] of Object.entries(value as AnyMessage))
      walk(type, item as AnyMessage, shape === 'list' ? `${at}[${key}]` : `${at}[${JSON.stringify(key)}]`, visit);
}

/** Visits a message of a type known only at run time and every message below it, also those inside of Anys of known types. */
export function walk(name: string, message: AnyMessage, path: string, visit: Visit): void {
  if (name === 'google.protobuf.Any') {
    walkAny(message as Any, path, visit);
    return;
  }
  visit(name, message, path);
  for (const field of schemaOf(name).fields)
    if (field.type.kind === 'message') walkField(field, field.type.name, message[field.name], path, visit);
}

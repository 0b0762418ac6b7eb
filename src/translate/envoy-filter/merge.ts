import { typeName } from '../../proto/any.ts';
import type { Any } from '../../proto/generated/google/protobuf.ts';
import {
  type AnyMessage,
  decodeMessage,
  encodeMessage,
  type MessageName,
  type MessageTypes,
} from '../../proto/message.ts';
import { type FieldSchema, isAbsence, schemaOf } from '../../proto/schema.ts';

function merged(field: FieldSchema, into: unknown, value: unknown, replaceLists: boolean): unknown {
  switch (field.shape) {
    case 'list':
      return Array.isArray(into) && Array.isArray(value) && !replaceLists ? [...into, ...value] : value;
    case 'map':
      return { ...(into as AnyMessage | undefined), ...(value as AnyMessage) };
    case 'single':
      if (field.type.kind !== 'message' || into === undefined || into === null) return value;
      // istiod replaces durations (https://github.com/golang/protobuf/issues/1359); all other messages are merged field by field.
      if (field.type.name === 'google.protobuf.Duration') return value;
      return mergeMessage(field.type.name, into as AnyMessage, value as AnyMessage, replaceLists);
  }
}

/** {@link merge} for a type known only at run time. */
function mergeMessage(name: string, into: AnyMessage, patch: AnyMessage, replaceLists: boolean): AnyMessage {
  const out: Record<string, unknown> = { ...into };
  const { fields } = schemaOf(name);
  for (const field of fields) {
    const value = patch[field.name];
    if (isAbsence(field, value)) continue;
    if (field.oneof)
      for (const other of fields) if (other !== field && other.oneof === field.oneof) delete out[other.name];
    out[field.name] = merged(field, into[field.name], value, replaceLists);
  }
  return out;
}

/**
 * Merges a message into another as istiod does (istio: pkg/proto/merge): scalars and durations are replaced, lists appended or replaced,
 * maps replaced entry by entry, messages merged. A value of zero is no value, also inside of a wrapper. The inputs stay as they are.
 */
export const merge = <N extends MessageName>(
  name: N,
  into: MessageTypes[N],
  patch: MessageTypes[N],
  replaceLists: boolean,
): MessageTypes[N] =>
  // A message merged into one of its type is of that type.
  mergeMessage(name, into as AnyMessage, patch as AnyMessage, replaceLists) as MessageTypes[N];

const NO_BYTES = new Uint8Array();

/** Merges the message inside an Any into that of another of the same type, its lists appended; a text says why it cannot be. */
export function mergeAny(into: Any, patch: Any): Any | string {
  const name = typeName(into.type_url ?? '');
  const other = typeName(patch.type_url ?? '');
  if (name !== other)
    return `${other || 'an empty typed_config'} cannot be merged into ${name || 'an empty typed_config'}`;
  const message = mergeMessage(
    name,
    decodeMessage(name, into.value ?? NO_BYTES),
    decodeMessage(name, patch.value ?? NO_BYTES),
    false,
  );
  return { type_url: into.type_url, value: encodeMessage(name, message) };
}

import { typeName, unpackAs } from '../../../src/proto/any.ts';
import type { Any } from '../../../src/proto/generated/google/protobuf.ts';
import { fromJson } from '../../../src/proto/json.ts';
import type { MessageName, MessageTypes } from '../../../src/proto/message.ts';
import { fromStruct } from '../../../src/proto/wellknown.ts';

const TYPED_STRUCT = 'udpa.type.v1.TypedStruct';

/** The configuration in an Any, be it packed or written as a TypedStruct; undefined where it is of another type. */
export function filterConfig<N extends MessageName>(name: N, any: Any | undefined): MessageTypes[N] | undefined {
  const found = typeName(any?.type_url ?? '');
  if (!any || (found !== name && found !== TYPED_STRUCT)) return undefined;
  if (found === name) return unpackAs(name, any);
  const { type_url, value } = unpackAs(TYPED_STRUCT, any);
  return typeName(type_url ?? '') === name ? fromJson(name, fromStruct(value ?? {})).value : undefined;
}

import { recordFaults } from './faults.ts';
import type { Any } from './generated/google/protobuf.ts';
import { decode, encode, type MessageName, type MessageTypes } from './message.ts';
import { typeName, typeUrl } from './type-url.ts';

export { typeName, typeUrl } from './type-url.ts';

/** Packs a message into an Any; what is wrong with it is remembered. Throws if the bundle lacks the type. */
export function typed<N extends MessageName>(
  name: N,
  message: MessageTypes[N],
): { readonly type_url: string; readonly value: Buffer } {
  const any = { type_url: typeUrl(name), value: encode(name, message) };
  recordFaults(name, message, any);
  return any;
}

/** An extension of Envoy: its messages name one and say how it is configured. */
export const extension = <N extends MessageName>(name: string, type: N, config: MessageTypes[N]) =>
  Object.freeze({ name, typed_config: typed(type, config) });

/** The message inside an Any that has to be of the named type. Throws if it is of another one. */
export function unpackAs<N extends MessageName>(name: N, any: Any): MessageTypes[N] {
  const found = typeName(any.type_url ?? '');
  if (found !== name) throw new Error(`expected ${name}, found ${found || 'an empty Any'}`);
  return decode(name, any.value ?? EMPTY);
}

const EMPTY = new Uint8Array();

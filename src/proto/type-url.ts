import type { MessageName } from './generated/registry.ts';

const PREFIX = 'type.googleapis.com/';

/** The type URL of a message, as Envoy and Istio write it. */
export const typeUrl = <N extends MessageName>(name: N): `type.googleapis.com/${N}` => `${PREFIX}${name}`;

/** The full message name in a type URL: what follows the last slash. */
export const typeName = (url: string): string => url.slice(url.lastIndexOf('/') + 1);

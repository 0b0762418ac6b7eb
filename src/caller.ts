import type { Peer } from './grpc/peer.ts';
import type { Status } from './grpc/status.ts';

/** Who calls. */
export type Caller =
  /** A process of this machine. It proves nothing: who is on this machine can read what this process can. */
  | { readonly kind: 'local' }
  /** Anybody else, over plaintext. */
  | { readonly kind: 'anonymous' };

/** What a caller may have beyond what every caller has. */
export interface Rights {
  /** The private keys in the credentials of Gateways. */
  readonly gatewayKeys: boolean;
  /** The pages that show what the mesh and its proxies are made of. */
  readonly debugPages: boolean;
}

/** Who a peer is found to be, or why it is not let in. */
export type Identified =
  | { readonly ok: true; readonly caller: Caller }
  | { readonly ok: false; readonly code: Status; readonly message: string };

/** How a port finds out who calls. */
export type Identify = (peer: Peer) => Identified | Promise<Identified>;

/** Of a peer's `address:port`. */
const isLoopback = (peer: string): boolean => {
  const address = peer.slice(0, peer.lastIndexOf(':'));
  return address === '::1' || address.startsWith('127.');
};

/** Over plaintext everybody is let in, and nobody can say who it is. */
export const overPlaintext: Identify = ({ address }) => ({
  ok: true,
  caller: isLoopback(address) ? { kind: 'local' } : { kind: 'anonymous' },
});

/** What each caller may have: the one place where that is decided. `plaintextSecrets` is the setting of that name. */
export function rightsOf(caller: Caller, plaintextSecrets: boolean): Rights {
  switch (caller.kind) {
    case 'local':
      return { gatewayKeys: true, debugPages: true };
    case 'anonymous':
      return { gatewayKeys: plaintextSecrets, debugPages: true };
  }
}

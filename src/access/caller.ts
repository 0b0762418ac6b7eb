import { hostOf, type Peer } from '../grpc/peer.ts';
import type { Status } from '../grpc/status.ts';
import { type Authenticator, authenticate, type Caller as ProvenCaller } from '../security/authenticate.ts';
import type { ServiceAccountName } from '../security/service-account-token.ts';

/** Who calls. */
export type Caller =
  /** A process of this machine. It proves nothing: who is on this machine can read what this process can. */
  | { readonly kind: 'local' }
  /** Anybody else, over plaintext. */
  | { readonly kind: 'anonymous' }
  /** Who proved its identity. */
  | { readonly kind: 'workload'; readonly proven: ProvenCaller };

/** Of which credentials of Gateways and DestinationRules a caller may have any. */
export type CredentialRight =
  | { readonly kind: 'all' }
  | { readonly kind: 'none'; readonly reason: string }
  /** Those of the account's namespace: private keys only where the account may list Secrets there (`CredentialAccess`). */
  | { readonly kind: 'account'; readonly account: ServiceAccountName };

/** What a caller may look at of the mesh and its proxies. */
export type DebugRight =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  /** What the proxies of a namespace have. */
  | { readonly kind: 'namespace'; readonly namespace: string };

/** What a caller may have beyond what every caller has. */
export interface Rights {
  readonly credentials: CredentialRight;
  readonly debug: DebugRight;
}

/** Who a peer is found to be, or why it is not let in. */
export type Identified =
  | { readonly ok: true; readonly caller: Caller }
  /** `reason` is for the log: who is not known learns no more than `message`. */
  | { readonly ok: false; readonly code: Status; readonly message: string; readonly reason?: string };

/** How a port finds out who calls. */
export type Identify = (peer: Peer) => Identified | Promise<Identified>;

/** Whether an `address:port` is of this machine; a port-forward to a pod arrives so, too. */
export const isLoopback = (peer: string): boolean => {
  const address = hostOf(peer);
  return address === '::1' || address.startsWith('127.');
};

/** Over plaintext everybody is let in, and nobody can say who it is. */
export const overPlaintext: Identify = ({ address }) => ({
  ok: true,
  caller: isLoopback(address) ? { kind: 'local' } : { kind: 'anonymous' },
});

/** Over TLS: the first of the authenticators that knows a peer says who it is; whom none knows is not let in, as with istiod. */
export const overTls =
  (authenticators: readonly Authenticator[]): Identify =>
  async ({ address, certificates, header }) => {
    const [clusterId = ''] = header('clusterid');
    const shown = { certificates, authorization: header('authorization'), clusterId, host: hostOf(address) };
    const found = await authenticate(authenticators, shown, 'authentication failure');
    return found.ok ? { ok: true, caller: { kind: 'workload', proven: found.caller } } : found;
  };

/** Of pages: as istiod, a process of this machine needs no proof; who shows something is who it proves to be, and anybody else is nobody. */
export const overHttp =
  (authenticators: readonly Authenticator[]): Identify =>
  peer => {
    const shows = peer.header('authorization').length > 0 || peer.certificates.length > 0;
    return shows && !isLoopback(peer.address) ? overTls(authenticators)(peer) : overPlaintext(peer);
  };

/** What the rights of callers depend on. */
export interface RightsSettings {
  /** Whether whoever connects over plaintext is given credentials: anybody, processes of this machine, or nobody. */
  readonly plaintextSecrets: 'anybody' | 'local' | 'nobody';
  /** The namespaces whose service accounts may look at the mesh and all proxies. */
  readonly debugNamespaces: ReadonlySet<string>;
}

/** What each caller may have: the one place where that is decided. */
export function rightsOf(caller: Caller, { plaintextSecrets, debugNamespaces }: RightsSettings): Rights {
  switch (caller.kind) {
    case 'local':
      return { credentials: plaintextSecrets === 'nobody' ? UNPROVEN : { kind: 'all' }, debug: { kind: 'all' } };
    case 'anonymous':
      return { credentials: plaintextSecrets === 'anybody' ? { kind: 'all' } : UNPROVEN, debug: { kind: 'none' } };
    case 'workload': {
      const { namespace, serviceAccount: name } = caller.proven.identity;
      return {
        credentials: { kind: 'account', account: { namespace, name } },
        debug: debugNamespaces.has(namespace) ? { kind: 'all' } : { kind: 'namespace', namespace },
      };
    }
  }
}

const UNPROVEN: CredentialRight = {
  kind: 'none',
  reason:
    'the proxy is connected over plaintext, where nobody can prove who it is: credentials are sent over TLS (--tls-address)',
};

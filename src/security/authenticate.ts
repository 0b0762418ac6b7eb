import type { X509Certificate } from 'node:crypto';
import { bounds } from '../bounds.ts';
import { status } from '../grpc/status.ts';
import type { SpiffeId } from '../istio/spiffe.ts';
import { type Refusal, refused } from './refusal.ts';

/** The pod that a token was made for. */
export interface BoundPod {
  readonly name: string;
  readonly uid: string;
}

/** Who calls, as somebody else vouches for. */
export interface Caller {
  readonly proof: 'certificate' | 'oidc' | 'token';
  readonly identity: SpiffeId;
  /** Where the proof is for one pod alone. */
  readonly pod?: BoundPod | undefined;
  /** The end of the proof, in milliseconds since 1970: a stream is not to outlive it. */
  readonly expiresAt: number;
}

/** What a call brings along. */
export interface Peer {
  /** The client certificate and what the client sent behind it, as in the handshake; empty without. */
  readonly certificates: readonly X509Certificate[];
  /** The values of the header `authorization`. */
  readonly authorization: readonly string[];
  /** The header `clusterid`; empty without. */
  readonly clusterId: string;
  /** The address that it comes from, without a port. */
  readonly host?: string;
}

/** Who somebody is, or why that is not known: for the log. */
export type Proof = { readonly ok: true; readonly caller: Caller } | { readonly ok: false; readonly reason: string };

export const unproven = (reason: string): Proof => ({ ok: false, reason });

/** One way to prove who calls. */
export interface Authenticator {
  readonly name: string;
  authenticate(peer: Peer): Promise<Proof>;
}

/** What istiod tells a peer that nobody knows: on a stream, and in answer to a CSR. */
export type Unknown = 'authentication failure' | 'request authenticate failure';

/** The caller by the first authenticator that knows it; Unauthenticated where none does. */
export async function authenticate(
  authenticators: readonly Authenticator[],
  peer: Peer,
  unknown: Unknown,
): Promise<{ readonly ok: true; readonly caller: Caller } | Refusal> {
  const reasons: string[] = [];
  for (const authenticator of authenticators) {
    const proof = await authenticator.authenticate(peer).catch((error: unknown) => unproven(String(error)));
    if (proof.ok) return proof;
    reasons.push(`${authenticator.name}: ${proof.reason}`);
  }
  return refused(status.UNAUTHENTICATED, unknown, reasons.join('; ') || 'nobody can authenticate anyone');
}

/** Of a header; a longer one has no token. */
const LONGEST = 'Bearer '.length + bounds['token-bytes'].most;

/** The token of a call (istio: ExtractBearerToken). */
export const bearerToken = ({ authorization }: Peer): string | undefined =>
  authorization.find(value => value.startsWith('Bearer ') && value.length <= LONGEST)?.slice('Bearer '.length);

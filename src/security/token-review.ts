import { bounds } from '../bounds.ts';
import type { Clock } from '../clock.ts';
import { spiffeIdOf } from '../istio/spiffe.ts';
import { type Authenticator, type BoundPod, bearerToken, type Proof, unproven } from './authenticate.ts';
import type { ProofCache } from './proof-cache.ts';
import { serviceAccountOf, type UnverifiedClaims, unverifiedClaims } from './service-account-token.ts';

/** The status of an authentication.k8s.io/v1 TokenReview, as far as it is read. */
export interface TokenReviewStatus {
  readonly authenticated?: boolean | undefined;
  readonly error?: string | undefined;
  readonly audiences?: readonly string[] | undefined;
  readonly user?:
    | {
        readonly username?: string | undefined;
        readonly groups?: readonly string[] | undefined;
        readonly extra?: Readonly<Record<string, readonly string[]>> | undefined;
      }
    | undefined;
}

/** Asks an API server for a TokenReview. Rejects where it does not answer in its time. */
export type ReviewToken = (token: string, audiences: readonly string[]) => Promise<TokenReviewStatus>;

/** istiod's TOKEN_AUDIENCES. */
export const tokenAudiences: readonly string[] = ['istio-ca'];

const POD_NAME = 'authentication.kubernetes.io/pod-name';
const POD_UID = 'authentication.kubernetes.io/pod-uid';

/** How far clocks may differ, in milliseconds; the API server has the last word within that. */
const leeway = 120_000;

/** What an API server needs not be asked: it would refuse. */
function hopeless(claims: UnverifiedClaims | undefined, audiences: readonly string[], now: number): string | undefined {
  if (!claims) return 'the token is no JWT';
  if (!claims.account) return 'the token is not a service account';
  if (claims.expiresAt !== undefined && claims.expiresAt + leeway <= now) return 'the token has expired';
  return claims.audiences.some(audience => audiences.includes(audience))
    ? undefined
    : `the token is for ${claims.audiences.join(', ') || 'nobody in particular'}, not for ${audiences.join(' or ')}`;
}

const podOf = (extra: Readonly<Record<string, readonly string[]>> | undefined): BoundPod | undefined => {
  const name = extra?.[POD_NAME]?.[0];
  return name ? { name, uid: extra?.[POD_UID]?.[0] ?? '' } : undefined;
};

/** Who a TokenReview says it is (istio: getTokenReviewResult); beyond istiod, the API server must have checked the audience. */
export function callerOf(
  { authenticated, error, audiences = [], user }: TokenReviewStatus,
  wanted: readonly string[],
  trustDomain: string,
  expiresAt: number,
): Proof {
  if (error) return unproven(`the service account authentication returns an error: ${error}`);
  if (!authenticated) return unproven('the token is not authenticated');
  if (!audiences.some(audience => wanted.includes(audience)))
    return unproven('the API server did not check the audience of the token');
  if (!user?.groups?.includes('system:serviceaccounts')) return unproven('the token is not a service account');
  const account = serviceAccountOf(user.username);
  if (!account) return unproven('invalid username field in the token review result');
  const identity = spiffeIdOf(trustDomain, account.namespace, account.name);
  return { ok: true, caller: { proof: 'token', identity, pod: podOf(user.extra), expiresAt } };
}

/** What TokenReviews are made with. */
export interface TokenReviews {
  readonly review: ReviewToken;
  readonly audiences: readonly string[];
  /** The mesh's own, as it is now. */
  readonly trustDomain: () => string;
  /** Our cluster's name and its aliases. */
  readonly clusterIds: ReadonlySet<string>;
  readonly cache: ProofCache;
  readonly clock: Clock;
}

/** Knows workloads by their service accounts' tokens. */
export const tokenReviews = ({
  review,
  audiences,
  trustDomain,
  clusterIds,
  cache,
  clock,
}: TokenReviews): Authenticator => ({
  name: 'token review',
  async authenticate(peer) {
    const token = bearerToken(peer);
    if (token === undefined)
      return unproven(
        `no bearer token of at most ${bounds['token-bytes'].most} bytes exists in HTTP authorization header`,
      );
    if (peer.clusterId && !clusterIds.has(peer.clusterId))
      return unproven(
        `client claims to be in cluster "${peer.clusterId}", but we only know about ${[...clusterIds].join(', ')}`,
      );
    const claims = unverifiedClaims(token);
    const reason = hopeless(claims, audiences, clock.now());
    if (reason !== undefined) return unproven(reason);
    const expiresAt = claims?.expiresAt ?? Number.POSITIVE_INFINITY;
    const ask = async () => callerOf(await review(token, audiences), audiences, trustDomain(), expiresAt);
    return cache.get(token, ask, peer.host);
  },
});

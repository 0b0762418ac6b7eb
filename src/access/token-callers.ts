import type { Clock } from '../clock.ts';
import type { Authenticator } from '../security/authenticate.ts';
import { ProofCache } from '../security/proof-cache.ts';
import { type ReviewToken, tokenAudiences, tokenReviews } from '../security/token-review.ts';

/** Who vouches for tokens. */
export interface TokenCallers {
  /** Knows the tokens of an issuer. */
  readonly issuer: Authenticator | undefined;
  /** Knows those that were made here. */
  readonly own: Authenticator | undefined;
  /** Knows those of the cluster's service accounts. */
  readonly review: ReviewToken | undefined;
  readonly trustDomain: () => string;
  readonly clusterId: string;
  readonly clock: Clock;
}

/** Those who know callers by their tokens, on whatever port, in istiod's order. */
export function tokenCallers(callers: TokenCallers): readonly Authenticator[] {
  const { issuer, own, review, trustDomain, clusterId, clock } = callers;
  const clusterIds = new Set([clusterId]);
  const reviews =
    review &&
    tokenReviews({ review, audiences: tokenAudiences, trustDomain, clusterIds, cache: new ProofCache(clock), clock });
  return [issuer, own, reviews].filter(one => one !== undefined);
}

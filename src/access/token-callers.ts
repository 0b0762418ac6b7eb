import type { Problem } from '../config/problem.ts';
import type { Authenticator } from '../security/authenticate.ts';
import { ProofCache } from '../security/proof-cache.ts';
import { tokenAudiences, tokenReviews } from '../security/token-review.ts';
import type { JwtRule } from './jwt-rule.ts';
import type { Security } from './security.ts';
import type { IssuerContext } from './token-issuer.ts';

/** Who vouches for tokens. */
export interface TokenCallersContext extends IssuerContext {
  /** An issuer. */
  readonly jwtRule: JwtRule | undefined;
  /** Whoever has made them here, and the cluster of service accounts. */
  readonly security: Security | undefined;
  readonly clusterId: string;
}

/** Those who know callers by their tokens. */
export interface TokenCallers {
  /** On whatever port, in istiod's order. */
  readonly authenticators: readonly Authenticator[];
  /** Why an issuer's keys could not be fetched. */
  problems(): readonly Problem[];
  /** Resolves once an issuer's keys have been asked for, and in a while where nobody answers. */
  tried(): Promise<void>;
}

export async function tokenCallers(context: TokenCallersContext): Promise<TokenCallers> {
  const { jwtRule, security, trustDomain, clusterId, clock } = context;
  // The library of JOSE is for those who use it.
  const issuer = jwtRule && (await import('./token-issuer.ts')).followIssuer(jwtRule, context);
  const own = security?.ownTokens?.(trustDomain, clock);
  const review = security?.review;
  const clusterIds = new Set([clusterId]);
  const reviews =
    review &&
    tokenReviews({ review, audiences: tokenAudiences, trustDomain, clusterIds, cache: new ProofCache(clock), clock });
  return {
    authenticators: [issuer?.authenticator, own, reviews].filter(one => one !== undefined),
    problems: () => issuer?.problems() ?? [],
    tried: async () => issuer?.tried(),
  };
}

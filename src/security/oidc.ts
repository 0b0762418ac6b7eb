import { type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Clock } from '../clock.ts';
import { spiffeIdOf } from '../istio/spiffe.ts';
import { type Authenticator, bearerToken, type Proof, unproven } from './authenticate.ts';
import { boundPod, serviceAccountOf } from './service-account-token.ts';

/** An issuer whose tokens are known by its keys alone: istiod's JWT_RULE. */
export interface TokenIssuer {
  readonly issuer: string;
  /** One of them has to be a token's. */
  readonly audiences: readonly string[];
  /** Its keys, e.g. by jose's createLocalJWKSet. */
  readonly keys: JWTVerifyGetKey;
}

/** Asymmetric ones: with HMAC whoever can check a token can make one. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'];

/** Checks a token of the issuer; its subject is a service account (istio: JwtAuthenticator). `now` is in milliseconds since 1970. */
export async function verifyToken(token: string, rule: TokenIssuer, trustDomain: string, now: number): Promise<Proof> {
  const { issuer, audiences, keys } = rule;
  // An empty list would let jose take any audience.
  if (!audiences.length) return unproven('its rule has no audiences');
  const options = {
    issuer,
    audience: [...audiences],
    algorithms,
    currentDate: new Date(now),
    requiredClaims: ['exp', 'sub'],
  };
  const verified = await jwtVerify(token, keys, options).catch((error: unknown) => String(error));
  if (typeof verified === 'string') return unproven(`failed to verify the JWT token (error ${verified})`);
  const { payload } = verified;
  const account = serviceAccountOf(payload.sub);
  if (!account) return unproven(`invalid sub ${payload.sub}`);
  const identity = spiffeIdOf(trustDomain, account.namespace, account.name);
  const expiresAt = (payload.exp ?? 0) * 1_000;
  return { ok: true, caller: { proof: 'oidc', identity, pod: boundPod(payload), expiresAt } };
}

/** Knows workloads by tokens of an issuer. */
export const issuedTokens = (rule: TokenIssuer, trustDomain: () => string, clock: Clock): Authenticator => ({
  name: `tokens of ${rule.issuer}`,
  async authenticate(peer) {
    const token = bearerToken(peer);
    return token === undefined
      ? unproven('no bearer token exists in HTTP authorization header')
      : verifyToken(token, rule, trustDomain(), clock.now());
  },
});

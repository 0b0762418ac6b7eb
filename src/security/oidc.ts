import {
  decodeJwt,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
  jwtVerify,
} from 'jose';
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
  /** A token that says it is the issuer's fits none of the keys: there may be newer ones. */
  fitsNoKey?(): void;
}

/** Asymmetric ones: with HMAC whoever can check a token can make one. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'];

/** Verifies with the key that the token names, or with each that it may be where it names none. */
async function verified(token: string, keys: JWTVerifyGetKey, options: JWTVerifyOptions): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, keys, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      const one = await jwtVerify(token, key, options).catch((reason: unknown) => {
        if (!(reason instanceof errors.JWSSignatureVerificationFailed)) throw reason;
      });
      if (one) return one;
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

const fitsNoKey = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;

/** Whose a token says that it is; undefined where it does not. */
function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

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
  let payload: JWTPayload;
  try {
    ({ payload } = await verified(token, keys, options));
  } catch (error) {
    if (fitsNoKey(error)) rule.fitsNoKey?.();
    return unproven(`failed to verify the JWT token (error ${error})`);
  }
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
    if (token === undefined) return unproven('no bearer token exists in HTTP authorization header');
    // Most are those of another issuer, and a key of this one is not looked for.
    if (claimedIssuer(token) !== rule.issuer)
      return unproven('the token is of another issuer (unexpected "iss" claim value)');
    return verifyToken(token, rule, trustDomain(), clock.now());
  },
});

import { SignJWT } from 'jose';
import { clockSkew } from './issue.ts';
import type { TokenIssuer } from './oidc.ts';
import type { PrivateKey } from './private-key.ts';
import { tokenAudiences } from './token-review.ts';

/** Whom a token is made for. */
export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
}

const ISSUER = 'pilotlight';
const ALGORITHM = 'ES256';

/** A token for a pod, with the claims that a cluster's have: for one namespace, service account and pod. `ttl` is in seconds, `now` in milliseconds since 1970. */
export function podToken(
  key: PrivateKey,
  { namespace, serviceAccount, pod }: TokenSubject,
  ttl: number,
  now: number,
): Promise<string> {
  const issued = Math.floor(now / 1_000);
  return new SignJWT({
    'kubernetes.io': { namespace, pod: { name: pod, uid: '' }, serviceaccount: { name: serviceAccount, uid: '' } },
  })
    .setProtectedHeader({ alg: ALGORITHM })
    .setIssuer(ISSUER)
    .setAudience([...tokenAudiences])
    .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`)
    .setIssuedAt(issued)
    .setNotBefore(issued - clockSkew)
    .setExpirationTime(issued + ttl)
    .sign(key.signingKey);
}

/** Knows the tokens that the key signed. */
export const podTokens = ({ publicKey }: PrivateKey): TokenIssuer => ({
  issuer: ISSUER,
  audiences: tokenAudiences,
  keys: async () => publicKey,
});

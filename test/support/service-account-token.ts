import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Whose token it is. */
export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/**
 * A token as the API server itself would sign it with `keyFile`, valid between the two times, in seconds from now: so tests get tokens that
 * have expired, or are not valid yet because clocks differ.
 */
export function serviceAccountToken(
  keyFile: string,
  account: ServiceAccount,
  from: number,
  to: number,
  audience?: string,
): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const issuer = 'https://kubernetes.default.svc';
  const claims = {
    iss: issuer,
    aud: [audience ?? issuer],
    sub: `system:serviceaccount:${account.namespace}:${account.name}`,
    iat: now + from,
    nbf: now + from,
    exp: now + to,
    'kubernetes.io': { namespace: account.namespace, serviceaccount: { name: account.name, uid: account.uid } },
  };
  const text = `${part({ alg: 'RS256' })}.${part(claims)}`;
  return `${text}.${sign('sha256', Buffer.from(text), createPrivateKey(readFileSync(keyFile))).toString('base64url')}`;
}

import { isObject, textOf } from '../unknown.ts';
import type { BoundPod } from './authenticate.ts';

/** What a service account's token says of itself. Nobody has checked it: it is good for refusing, never for letting in. */
export interface UnverifiedClaims {
  /** In milliseconds since 1970; undefined where it never ends. */
  readonly expiresAt: number | undefined;
  readonly audiences: readonly string[];
  readonly account: ServiceAccountName | undefined;
  /** The pod it is bound to. */
  readonly pod: BoundPod | undefined;
}

export interface ServiceAccountName {
  readonly namespace: string;
  readonly name: string;
}

/** Reads `system:serviceaccount:NAMESPACE:NAME`, which is both a username and a subject. */
export function serviceAccountOf(username: unknown): ServiceAccountName | undefined {
  const parts = typeof username === 'string' ? username.split(':') : [];
  const [system, kind, namespace, name] = parts;
  return parts.length === 4 && system === 'system' && kind === 'serviceaccount' && namespace && name
    ? { namespace, name }
    : undefined;
}

type Claims = Readonly<Record<string, unknown>>;

/** The pod of a token's claim `kubernetes.io`. */
export function boundPod(claims: Claims): BoundPod | undefined {
  const own = claims['kubernetes.io'];
  const pod = isObject(own) ? own['pod'] : undefined;
  return isObject(pod) && textOf(pod['name']) ? { name: textOf(pod['name']), uid: textOf(pod['uid']) } : undefined;
}

/** Reads the payload of a JWT without checking its signature; undefined where it is none. */
export function unverifiedClaims(token: string): UnverifiedClaims | undefined {
  const [, payload, signature, ...more] = token.split('.', 4);
  if (payload === undefined || signature === undefined || more.length) return undefined;
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
  if (!isObject(claims)) return undefined;
  const { exp, aud, sub } = claims;
  return {
    expiresAt: typeof exp === 'number' && Number.isFinite(exp) ? exp * 1_000 : undefined,
    audiences: (Array.isArray(aud) ? aud : [aud]).filter(one => typeof one === 'string'),
    account: serviceAccountOf(sub),
    pod: boundPod(claims),
  };
}

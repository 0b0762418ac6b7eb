import { milliseconds } from '../proto/duration.ts';
import type { JWTRule } from '../proto/generated/istio/security/v1beta1.ts';

/** A JWKS that Envoy can verify with. New keys are a new object. */
export interface Jwks {
  readonly text: string;
}

/** What is known of the keys at a URL. */
export interface RemoteKeys {
  /** The last good ones. */
  readonly jwks?: Jwks | undefined;
  /** Why the last attempt to fetch them failed; absent where it did not. */
  readonly failure?: string | undefined;
}

/** Where keys are fetched from. */
export interface KeyLocation {
  /** Of a JWKS, or of an issuer's OpenID configuration, which says where its keys are. */
  readonly url: string;
  /** How long whoever names it waits for an answer. */
  readonly timeoutMs: number;
  /** Whose OpenID configuration it has to be; whoever's without. */
  readonly issuer?: string;
}

/** Istio's default of `timeout`. */
const DEFAULT_TIMEOUT_MS = 5_000;

const isHttp = (text: string): boolean => ['http:', 'https:'].includes(URL.parse(text)?.protocol ?? '');

/** Where the keys of a rule are fetched from (istio: resolveJwksURIUsingOpenID); undefined where it has keys, or names no place for them. */
export function keyLocation({ jwks, jwksUri, issuer = '', timeout }: JWTRule): KeyLocation | undefined {
  if (jwks) return undefined;
  const url = jwksUri || `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  return isHttp(url) ? { url, timeoutMs: timeout ? milliseconds(timeout) : DEFAULT_TIMEOUT_MS } : undefined;
}

import { createPublicKey } from 'node:crypto';

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function usable(key: unknown): boolean {
  if (!isRecord(key)) return false;
  const { kty, n, e, crv, x, y, k } = key;
  if (kty === 'oct') return text(k) !== '';
  const jwk = { kty: text(kty), n: text(n), e: text(e), crv: text(crv), x: text(x), y: text(y) };
  const given = Object.fromEntries(Object.entries(jwk).filter(([, value]) => value !== ''));
  try {
    createPublicKey({ key: given, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}

/** Whether a JWKS has a key that Envoy can verify with. One without any makes Envoy reject the whole listener. */
export function hasUsableKey(jwks: string): boolean {
  try {
    const parsed: unknown = JSON.parse(jwks);
    return isRecord(parsed) && Array.isArray(parsed['keys']) && parsed['keys'].some(usable);
  } catch {
    return false;
  }
}

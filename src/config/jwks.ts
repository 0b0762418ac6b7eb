import { createPublicKey } from 'node:crypto';
import { textOf } from '../unknown.ts';
import { isFields } from './read.ts';
import type { Report } from './report.ts';

/** A JWKS by which no token is valid. */
export const NO_KEYS = '{"keys": []}';

/** Whether Envoy can verify with a key of a JWKS. */
export function isUsableKey(key: unknown): key is Readonly<Record<string, unknown>> {
  if (!isFields(key)) return false;
  const { kty, n, e, crv, x, y, k } = key;
  if (kty === 'oct') return textOf(k) !== '';
  const jwk = { kty: textOf(kty), n: textOf(n), e: textOf(e), crv: textOf(crv), x: textOf(x), y: textOf(y) };
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
    return isFields(parsed) && Array.isArray(parsed['keys']) && parsed['keys'].some(isUsableKey);
  } catch {
    return false;
  }
}

/** Reports a JWKS that Envoy cannot verify with. Private keys would be sent to every proxy, so they are worth a warning. */
export function checkJwks(text: string, path: string, report: Report): void {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    report.error(path, 'not JSON');
    return;
  }
  if (!isFields(set) || !Array.isArray(set['keys'])) {
    report.error(path, 'it has no list "keys"');
    return;
  }
  const keys: readonly unknown[] = set['keys'];
  if (!keys.some(isUsableKey)) {
    report.error(path, 'it has no key that a token can be verified with');
    return;
  }
  keys.forEach((key, i) => {
    if (!isUsableKey(key)) {
      report.error(path, `key ${i} cannot be used; the others are`);
      report.absorb(path);
    }
    if (isFields(key) && ('d' in key || key['kty'] === 'oct')) {
      report.warning(path, `key ${i} is private; only public ones are needed`);
    }
  });
}

import { isUsableKey } from '../../config/jwks.ts';
import { isFields } from '../../config/read.ts';

/** What is found at a URL that keys are to be at. */
export type KeyDocument =
  /** A JWKS of public keys, in one form: the same keys are the same text. */
  | { readonly kind: 'keys'; readonly text: string }
  /** An issuer's OpenID configuration: the keys are elsewhere. */
  | { readonly kind: 'elsewhere'; readonly url: string; readonly issuer: unknown };

/** The members of a key that tell what is secret of it. */
const PRIVATE = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth']);

/** Reads what was fetched. Throws an Error that says why there are no keys in it. */
export function readDocument(text: string): KeyDocument {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error('what is there is no JSON');
  }
  if (!isFields(document)) throw new Error('what is there is no JSON object');
  const { keys, jwks_uri, issuer } = document;
  if (Array.isArray(keys)) {
    const usable = keys.filter(isUsableKey).map(key =>
      JSON.stringify(
        Object.fromEntries(
          Object.entries(key)
            .filter(([name]) => !PRIVATE.has(name))
            .sort(),
        ),
      ),
    );
    if (!usable.length) throw new Error('its list "keys" has no key that a token can be verified with');
    return { kind: 'keys', text: `{"keys":[${[...new Set(usable)].sort().join(',')}]}` };
  }
  if (typeof jwks_uri === 'string') return { kind: 'elsewhere', url: jwks_uri, issuer };
  throw new Error('what is there has neither a list "keys" nor a "jwks_uri"');
}

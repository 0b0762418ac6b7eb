/** Envoy's matchers for the values of AuthorizationPolicies: exact, `prefix*`, `*suffix`, and `*` for any that is there. */

import { onlyItem } from '../../../lists.ts';
import type { HeaderMatcher } from '../../../proto/generated/envoy/config/route/v3.ts';
import type { MetadataMatcher, StringMatcher, ValueMatcher } from '../../../proto/generated/envoy/type/matcher/v3.ts';
import { JWT_AUTHN } from '../well-known.ts';

/** The text with RE2's special characters taken literally. */
export const literally = (text: string): string => text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');

export const regexMatcher = (regex: string): StringMatcher => ({ safe_regex: { regex } });

/** A value; `before` goes in front of what it matches, and turns a suffix into a regular expression. */
export function valueMatcher(value: string, before = ''): StringMatcher {
  if (value === '*') return regexMatcher('.+');
  if (value.startsWith('*')) {
    return before === '' ? { suffix: value.slice(1) } : regexMatcher(`${before}.*${literally(value.slice(1))}`);
  }
  if (value.endsWith('*')) return { prefix: before + value.slice(0, -1) };
  return { exact: before + value };
}

/** A header that has a value; `*` asks only that it is there. */
export function headerMatcher(name: string, value: string, ignoreCase = false): HeaderMatcher {
  if (value === '*') return { name, present_match: true };
  return { name, string_match: { ...valueMatcher(value), ...(ignoreCase ? { ignore_case: true } : {}) } };
}

const either = (matchers: readonly ValueMatcher[]): ValueMatcher =>
  onlyItem(matchers) ?? { or_match: { value_matchers: matchers } };

/** Any of the values, as a metadata value. */
export const anyValue = (values: readonly string[]): ValueMatcher =>
  either(values.map(value => ({ string_match: valueMatcher(value) })));

/** One claim of a verified token as a string. */
export const claimMatcher = (claim: string, value: StringMatcher): MetadataMatcher => ({
  filter: JWT_AUTHN,
  path: [{ key: 'payload' }, { key: claim }],
  value: { string_match: value },
});

/** A claim of a verified token, itself or one of its items. */
export const claimsMatcher = (claims: readonly string[], value: ValueMatcher): MetadataMatcher => ({
  filter: JWT_AUTHN,
  path: ['payload', ...claims].map(key => ({ key })),
  value: { or_match: { value_matchers: [{ list_match: { one_of: value } }, value] } },
});

/** Dynamic metadata of a filter: `[v]` asks for an item of a list. */
export const metadataMatcher = (filter: string, key: string, values: readonly string[]): MetadataMatcher => ({
  filter,
  path: [{ key }],
  value: either(
    values.map(value =>
      value.startsWith('[') && value.endsWith(']')
        ? { list_match: { one_of: { string_match: valueMatcher(value.replace(/^[[\]]+|[[\]]+$/g, '')) } } }
        : { string_match: valueMatcher(value) },
    ),
  ),
});

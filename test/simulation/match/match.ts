import type { HeaderMatcher, QueryParameterMatcher } from '../../../src/proto/generated/envoy/config/route/v3.ts';
import type { RegexMatcher, StringMatcher } from '../../../src/proto/generated/envoy/type/matcher/v3.ts';

/** An RE2 expression as JavaScript has it; both agree on what configurations use. */
export function re2(expression: string, flags = ''): RegExp {
  const insensitive = /^\(\?([a-z]+)\)/.exec(expression)?.[1] ?? '';
  const body = expression
    .replace(/^\(\?[a-z]+\)/, '')
    .replaceAll('(?P<', '(?<')
    .replaceAll('\\A', '^')
    .replaceAll('\\z', '$');
  return new RegExp(body, flags + insensitive.replace(/[^ims]/g, ''));
}

/** Envoy's matchers want the whole value. */
export const regexMatches = (matcher: RegexMatcher, value: string): boolean => {
  const expression = re2(matcher.regex ?? '');
  return new RegExp(`^(?:${expression.source})$`, expression.flags).test(value);
};

/** Whether a value fits. */
export function stringMatches(matcher: StringMatcher, value: string): boolean {
  const fold = (text: string): string => (matcher.ignore_case ? text.toLowerCase() : text);
  const actual = fold(value);
  if (matcher.exact !== undefined) return actual === fold(matcher.exact);
  if (matcher.prefix !== undefined) return actual.startsWith(fold(matcher.prefix));
  if (matcher.suffix !== undefined) return actual.endsWith(fold(matcher.suffix));
  if (matcher.contains !== undefined) return actual.includes(fold(matcher.contains));
  if (matcher.safe_regex !== undefined) return regexMatches(matcher.safe_regex, value);
  throw new Error('a string matcher that matches nothing');
}

/** A matcher as people write it: `prefix*`, `*suffix`, `~expression`. */
export function written({ exact, prefix, suffix, contains, safe_regex: expression }: StringMatcher): string {
  if (exact !== undefined) return exact;
  if (prefix !== undefined) return `${prefix}*`;
  if (suffix !== undefined) return `*${suffix}`;
  return contains === undefined ? `~${expression?.regex}` : `*${contains}*`;
}

/** Whether a request's headers (names in lower case, pseudo headers among them) fit. */
export function headerMatches(matcher: HeaderMatcher, headers: Readonly<Record<string, string>>): boolean {
  const value = headers[(matcher.name ?? '').toLowerCase()];
  if (matcher.present_match !== undefined)
    return ((value !== undefined) === matcher.present_match) !== Boolean(matcher.invert_match);
  // Nothing is said of a header that is not there: not even the opposite.
  if (value === undefined && !matcher.treat_missing_header_as_empty) return false;
  return valueMatches(matcher, value ?? '') !== Boolean(matcher.invert_match);
}

function valueMatches(m: HeaderMatcher, value: string): boolean {
  if (m.string_match !== undefined) return stringMatches(m.string_match, value);
  if (m.exact_match !== undefined) return value === m.exact_match;
  if (m.prefix_match !== undefined) return value.startsWith(m.prefix_match);
  if (m.suffix_match !== undefined) return value.endsWith(m.suffix_match);
  if (m.contains_match !== undefined) return value.includes(m.contains_match);
  if (m.safe_regex_match !== undefined) return regexMatches(m.safe_regex_match, value);
  if (m.range_match !== undefined)
    return Number(value) >= (m.range_match.start ?? 0) && Number(value) < (m.range_match.end ?? 0);
  return true;
}

/** Whether a query parameter fits. */
export function queryMatches(matcher: QueryParameterMatcher, query: URLSearchParams): boolean {
  const value = query.get(matcher.name ?? '');
  if (value === null) return matcher.present_match === false;
  return matcher.string_match ? stringMatches(matcher.string_match, value) : (matcher.present_match ?? true);
}

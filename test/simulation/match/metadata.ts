import type { MetadataMatcher, ValueMatcher } from '../../../src/proto/generated/envoy/type/matcher/v3.ts';
import type { Call } from '../call.ts';
import { stringMatches } from './match.ts';

/** Claims are all the metadata that policies ask for: `payload` holds them, nested objects by their path. */
export function metadataMatches(matcher: MetadataMatcher, call: Call): boolean {
  const keys = (matcher.path ?? []).map(segment => segment.key ?? '').filter(key => key !== 'payload');
  const claim = call.claims?.[keys.join('.')] ?? principalOf(keys, call);
  const fits = claim !== undefined && !!matcher.value && valueMatches(matcher.value, claim);
  return fits !== Boolean(matcher.invert);
}

/** Istio's request principal is the issuer and the subject. */
const principalOf = (keys: readonly string[], { claims }: Call): string | undefined =>
  keys.join('.') === 'request.auth.principal' && claims ? `${claims['iss']}/${claims['sub']}` : undefined;

function valueMatches(matcher: ValueMatcher, value: string | readonly string[]): boolean {
  if (matcher.or_match) return (matcher.or_match.value_matchers ?? []).some(inner => valueMatches(inner, value));
  const { list_match: list } = matcher;
  if (list?.one_of)
    return typeof value !== 'string' && value.some(item => list.one_of && valueMatches(list.one_of, item));
  if (matcher.present_match !== undefined) return matcher.present_match;
  if (matcher.string_match && typeof value === 'string') return stringMatches(matcher.string_match, value);
  return false;
}

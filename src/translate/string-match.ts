import type { StringMatcher } from '../proto/generated/envoy/type/matcher/v3.ts';
import type { StringMatch } from '../proto/generated/istio/networking/v1alpha3.ts';

/** Istio's StringMatch as Envoy has it; undefined where it says nothing (istio: util.ConvertToEnvoyMatch). */
export function stringMatcher(match: StringMatch): StringMatcher | undefined {
  if (match.exact !== undefined) return { exact: match.exact };
  if (match.prefix !== undefined) return { prefix: match.prefix };
  if (match.regex !== undefined) return { safe_regex: { regex: match.regex } };
  return undefined;
}

/** Whether the match only asks for presence: nothing is said, or the regex is a bare `*`, which istiod reads so though RE2 does not. */
export const asksPresence = (match: StringMatch): boolean =>
  match.regex === '*' || (match.exact === undefined && match.prefix === undefined && match.regex === undefined);

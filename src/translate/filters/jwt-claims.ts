import type { MetadataMatcher } from '../../proto/generated/envoy/type/matcher/v3.ts';
import type { StringMatch } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { stringMatcher } from '../string-match.ts';
import { claimsMatcher } from './rbac/matchers.ts';

const PREFIX = '@request.auth.claims';

/** The nested claim that a routing header names: `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`; undefined for real headers. */
function claimPath(header: string): readonly string[] | undefined {
  const name = header.toLowerCase();
  if (!name.startsWith(PREFIX) || header.length <= PREFIX.length + 1) return undefined;
  const rest = header.slice(PREFIX.length);
  if (rest.startsWith('.')) return rest.slice(1).split('.');
  if (rest.startsWith('[') && rest.endsWith(']')) return rest.slice(1, -1).split('][');
  return undefined;
}

/** The claim matcher of a VirtualService's header match; undefined where the header is a real one (istio: authz.MetadataMatcherForJWTClaims). */
export function claimMatcher(header: string, match: StringMatch): MetadataMatcher | undefined {
  const path = claimPath(header);
  const value = path && stringMatcher(match);
  return path && value ? claimsMatcher(path, { string_match: value }) : undefined;
}

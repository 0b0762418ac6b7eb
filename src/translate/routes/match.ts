import { byKey, compare } from '../../istio/object.ts';
import type { HeaderMatcher, QueryParameterMatcher, RouteMatch } from '../../proto/generated/envoy/config/route/v3.ts';
import type { HTTPMatchRequest, StringMatch } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { claimMatcher } from '../filters/jwt-claims.ts';
import { asksPresence, stringMatcher } from '../string-match.ts';

/** The conditions that matches of HTTP, TLS and TCP have in common. */
export interface RouteCondition {
  readonly port?: number | undefined;
  readonly gateways?: readonly string[] | undefined;
}

/** Whether a match is for the routes of a gateway (`namespace/name`, `mesh` for sidecars) on a port; what it asks of clients is decided by the scope. */
export const appliesTo = ({ port, gateways }: RouteCondition, gateway: string, on: number | undefined): boolean =>
  (!port || port === on) && (!gateways?.length || gateways.includes(gateway));

function headerMatcher(name: string, match: StringMatch): HeaderMatcher {
  return asksPresence(match) ? { name, present_match: true } : { name, string_match: stringMatcher(match) };
}

function withoutHeader(name: string, match: StringMatch): HeaderMatcher {
  // A missing header satisfies "without"; Envoy refuses the two flags together with present_match.
  const missingIsEmpty = asksPresence(match) ? {} : { treat_missing_header_as_empty: true };
  return { ...headerMatcher(name, match), invert_match: true, ...missingIsEmpty };
}

function queryMatcher(name: string, match: StringMatch): QueryParameterMatcher {
  return asksPresence(match) ? { name, present_match: true } : { name, string_match: stringMatcher(match) };
}

function pathOf(uri: StringMatch | undefined): RouteMatch {
  if (uri?.exact !== undefined) return { path: uri.exact };
  if (uri?.regex !== undefined) return { safe_regex: { regex: uri.regex } };
  return { prefix: uri?.prefix ?? '/' };
}

/** An http match of a VirtualService; no match is everything (istio: route.TranslateRouteMatch). Query parameters are sorted, which istiod leaves to chance. */
export function routeMatch(match: HTTPMatchRequest | undefined): RouteMatch {
  if (!match) return { prefix: '/' };
  const claims = [];
  const headers: HeaderMatcher[] = [];
  for (const [name, value] of Object.entries(match.headers ?? {}).sort(byKey)) {
    const claim = claimMatcher(name, value);
    if (claim) claims.push(claim);
    else headers.push(headerMatcher(name, value));
  }
  for (const [name, value] of Object.entries(match.withoutHeaders ?? {}).sort(byKey)) {
    const claim = claimMatcher(name, value);
    if (claim) claims.push({ ...claim, invert: true });
    else headers.push(withoutHeader(name, value));
  }
  headers.sort((a, b) => compare(a.name ?? '', b.name ?? ''));
  if (match.method) headers.push(headerMatcher(':method', match.method));
  if (match.authority) headers.push(headerMatcher(':authority', match.authority));
  if (match.scheme) headers.push(headerMatcher(':scheme', match.scheme));
  const queries = Object.entries(match.queryParams ?? {}).sort(byKey);
  return {
    ...pathOf(match.uri),
    case_sensitive: { value: !match.ignoreUriCase },
    ...(headers.length && { headers }),
    ...(queries.length && { query_parameters: queries.map(([name, value]) => queryMatcher(name, value)) }),
    ...(claims.length && { dynamic_metadata: claims }),
  };
}

/** Whether nothing gets past a route with this match, so that what follows need not be sent (istio: route.IsCatchAllRoute). */
export function catchesAll(match: RouteMatch): boolean {
  const anyPath = match.prefix === '/' || match.path_separated_prefix === '/' || match.safe_regex?.regex === '.*';
  return anyPath && !match.headers?.length && !match.query_parameters?.length && !match.dynamic_metadata?.length;
}

import { typeName, unpackAs } from '../../../src/proto/any.ts';
import type { Route, VirtualHost } from '../../../src/proto/generated/envoy/config/route/v3.ts';
import type { CorsPolicy } from '../../../src/proto/generated/envoy/extensions/filters/http/cors/v3.ts';
import type { HttpFilter } from '../../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { Outcome } from '../call.ts';
import { stringMatches } from '../match/match.ts';
import type { Request } from '../route/route.ts';

const FILTER = 'envoy.filters.http.cors';

/** A star among the allowed origins stands for every origin. */
const isAllowed = (policy: CorsPolicy, origin: string): boolean =>
  (policy.allow_origin_string_match ?? []).some(m => stringMatches(m, '*') || stringMatches(m, origin));

const isEnabled = ({ filter_enabled: enabled }: CorsPolicy): boolean =>
  enabled === undefined || (enabled.default_value?.numerator ?? 0) > 0;

const withoutEmpty = (headers: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).flatMap(([key, value]) => (value ? [[key, value]] : [])));

/** What the CORS filter does with a page's request to another origin: it answers a preflight itself, and adds to the answer of others. */
export function corsOutcome(
  filters: readonly HttpFilter[],
  virtualHost: VirtualHost,
  route: Route,
  { headers }: Request,
): Outcome {
  if (!filters.some(f => typeName(f.typed_config?.type_url ?? '') === 'envoy.extensions.filters.http.cors.v3.Cors'))
    return {};
  const any = route.typed_per_filter_config?.[FILTER] ?? virtualHost.typed_per_filter_config?.[FILTER];
  const origin = headers['origin'];
  if (!any || !origin) return {};
  const policy = unpackAs('envoy.extensions.filters.http.cors.v3.CorsPolicy', any);
  if (!isEnabled(policy)) return {};
  const isPreflight = headers[':method'] === 'OPTIONS' && Boolean(headers['access-control-request-method']);
  if (!isAllowed(policy, origin))
    return isPreflight && policy.forward_not_matching_preflights?.value === false ? { response: { status: 200 } } : {};
  const forBoth = {
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': policy.allow_credentials?.value ? 'true' : undefined,
  };
  if (!isPreflight) {
    const set = withoutEmpty({ ...forBoth, 'access-control-expose-headers': policy.expose_headers });
    return { responseHeaders: { set, removed: [] } };
  }
  const set = withoutEmpty({
    ...forBoth,
    'access-control-allow-methods': policy.allow_methods,
    'access-control-allow-headers': policy.allow_headers,
    'access-control-max-age': policy.max_age,
  });
  return { response: { status: 200 }, responseHeaders: { set, removed: [] } };
}

import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';

/**
 * The places of HTTP filters in a chain, first to last, as istiod orders them. Who asks first decides: identity of the peer, external
 * authorization, the token, the rules over both; then what counts and bends requests; the router ends it.
 */
const HTTP_FILTER_ORDER = [
  'metadataExchange',
  'customAuthorization',
  'authentication',
  'authorization',
  'grpcWeb',
  'grpcStats',
  'alpn',
  'fault',
  'cors',
  'stats',
  'dynamicForwardProxy',
  'router',
] as const;

export type HttpFilterPlace = (typeof HTTP_FILTER_ORDER)[number];

/** What stands at each place; a place may be empty. The router is not optional. */
export type HttpFilters = { readonly router: HttpFilter } & {
  readonly [P in Exclude<HttpFilterPlace, 'router'>]?: readonly HttpFilter[] | undefined;
};

/** The filters in the order of `HTTP_FILTER_ORDER`. */
export function orderedHttpFilters(filters: HttpFilters): readonly HttpFilter[] {
  return HTTP_FILTER_ORDER.flatMap(place => (place === 'router' ? [filters.router] : (filters[place] ?? [])));
}

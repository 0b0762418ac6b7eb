import type { VirtualService } from '../../istio/config.ts';
import type { Route, RouteAction, RouteMatch } from '../../proto/generated/envoy/config/route/v3.ts';
import type { Any } from '../../proto/generated/google/protobuf.ts';
import type { HTTPMatchRequest, HTTPRoute } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { configMetadata } from '../config-metadata.ts';
import { directResponse, forwards, redirectAction, routeAction, routeHeaders, timeouts } from './action.ts';
import { cors } from './cors.ts';
import type { RouteContext } from './destination.ts';
import { fault } from './fault.ts';
import { appliesTo, catchesAll, routeMatch } from './match.ts';
import { retryPolicy } from './retry.ts';

const pathText = (match: RouteMatch): string => {
  if (match.prefix !== undefined) return `${match.prefix}*`;
  return match.path ?? match.safe_regex?.regex ?? '/*';
};

/** How traces name a route: `host:port/path` of its only cluster, else by the VirtualService (istio: route.GetRouteOperation). */
function operation(
  match: RouteMatch,
  action: RouteAction | undefined,
  virtualService: VirtualService,
  port: number,
): string {
  const [, clusterPort, , host] = action?.cluster?.split('|') ?? [];
  return host === undefined
    ? `${virtualService.meta.name}:${port}${pathText(match)}`
    : `${host}:${clusterPort}${pathText(match)}`;
}

function filterConfig(http: HTTPRoute): Readonly<Record<string, Any>> {
  const injected = http.fault && fault(http.fault);
  return {
    ...(injected && { 'envoy.filters.http.fault': injected }),
    ...(http.corsPolicy && { 'envoy.filters.http.cors': cors(http.corsPolicy) }),
  };
}

function translateRoute(
  http: HTTPRoute,
  match: HTTPMatchRequest | undefined,
  virtualService: VirtualService,
  context: RouteContext,
): Route {
  const name = (http.name ?? '') + (match?.name ? `.${match.name}` : '');
  const envoyMatch = routeMatch(match);
  const action = forwards(http) ? routeAction(http, context) : undefined;
  const perFilter = filterConfig(http);
  const common = {
    ...(name && { name }),
    match: envoyMatch,
    metadata: configMetadata(virtualService.meta, 'VirtualService'),
    decorator: { operation: operation(envoyMatch, action, virtualService, context.port) },
    ...(match?.statPrefix && { stat_prefix: match.statPrefix }),
    ...routeHeaders(http),
    ...(Object.keys(perFilter).length && { typed_per_filter_config: perFilter }),
  };
  if (action) return { ...common, route: action };
  if (http.redirect) return { ...common, redirect: redirectAction(http.redirect, context) };
  return { ...common, direct_response: directResponse(http.directResponse ?? {}) };
}

/**
 * The routes of a VirtualService on one port, in its order, up to the first that catches everything; empty where no rule applies to the
 * port (istio: route.BuildHTTPRoutesForVirtualService).
 */
export function httpRoutes(virtualService: VirtualService, context: RouteContext): readonly Route[] {
  const routes: Route[] = [];
  for (const http of virtualService.spec.http ?? []) {
    if (!http.match?.length) return [...routes, translateRoute(http, undefined, virtualService, context)];
    for (const match of http.match) {
      if (!appliesTo(match, context.gateway, context.port)) continue;
      const route = translateRoute(http, match, virtualService, context);
      routes.push(route);
      if (route.match && catchesAll(route.match)) return routes;
    }
  }
  return routes;
}

/** The route to a Service that no VirtualService speaks for (istio: route.BuildDefaultHTTPOutboundRoute). */
export const defaultRoute = (
  cluster: string,
  traceOperation: string,
  { mesh }: Pick<RouteContext, 'mesh'>,
  hash: RouteAction['hash_policy'],
): Route => {
  const retry = retryPolicy(mesh.config.defaultHttpRetryPolicy, false);
  return {
    name: 'default',
    match: { prefix: '/' },
    route: {
      cluster,
      ...timeouts(undefined),
      ...(retry && { retry_policy: retry }),
      ...(hash?.length && { hash_policy: hash }),
    },
    decorator: { operation: traceOperation },
  };
};

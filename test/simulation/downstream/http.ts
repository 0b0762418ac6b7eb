import type { RouteConfiguration } from '../../../src/proto/generated/envoy/config/route/v3.ts';
import type {
  HttpConnectionManager,
  HttpFilter,
} from '../../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { Messages } from '../../support/translation.ts';
import type { Call, Outcome } from '../call.ts';
import { corsOutcome } from '../filters/cors.ts';
import { dryRunOf, throughFilters } from '../filters/http-filters.ts';
import { istioFiltersOf } from '../filters/istio-filters.ts';
import { requestLimitsOf } from '../filters/traffic-limits.ts';
import { actionOutcome } from '../route/action.ts';
import { hashKeys } from '../route/hash-key.ts';
import { bothChanges } from '../route/header-changes.ts';
import { type Request, requestOf, routeFor, tlsRedirect, virtualHostFor } from '../route/route.ts';
import { routePolicyOf } from '../route/route-policy.ts';
import { destination } from '../upstream/destination.ts';
import { hostOfRequest } from '../upstream/forward-proxy.ts';
import { accessLogsOf, logged } from './access-log.ts';
import { believed, connectionManagerOf, versionRefused } from './connection-manager.ts';
import { tracingOf } from './tracing.ts';

const filtersOf = ({ http_filters: filters = [] }: HttpConnectionManager): readonly HttpFilter[] =>
  filters.filter(f => !f.disabled);

function routesOf(messages: Messages, manager: HttpConnectionManager): RouteConfiguration | undefined {
  return manager.route_config ?? messages.routes.find(r => r.name === manager.rds?.route_config_name);
}

/** What becomes of a request on a connection that HTTP takes. */
export function throughHttp(messages: Messages, manager: HttpConnectionManager, call: Call): Outcome {
  const tracing = tracingOf(manager);
  const filters = filtersOf(manager);
  const refused = versionRefused(manager, call);
  return {
    httpFilters: filters.map(f => f.name ?? ''),
    requestLimits: requestLimitsOf(filters),
    istioFilters: istioFiltersOf(filters),
    ...logged(accessLogsOf(manager.access_log)),
    ...(tracing && { tracing }),
    manager: connectionManagerOf(manager),
    ...(refused ? { response: refused } : filtered(messages, manager, believed(manager, call))),
  };
}

/** What the filters make of it, and then the routes. */
function filtered(messages: Messages, manager: HttpConnectionManager, offered: Call): Outcome {
  const routes = routesOf(messages, manager);
  if (!routes) return { response: { status: 404 } };
  const request = requestOf(offered);
  const passage = throughFilters(filtersOf(manager), request, offered);
  const { call, response, asks, audited, requestHeaders } = passage;
  const dryRun = dryRunOf(passage);
  const before: Outcome = {
    routes: routes.name ?? '',
    ...(asks && { asks }),
    ...(audited && { audited }),
    ...(dryRun && { dryRun }),
    ...(requestHeaders && { requestHeaders }),
  };
  if (response) return { ...before, response };
  const outcome = routed(messages, manager, routes, request, call);
  const changes = bothChanges(requestHeaders, outcome.requestHeaders);
  return { ...before, ...outcome, ...(changes && { requestHeaders: changes }) };
}

function routed(
  messages: Messages,
  manager: HttpConnectionManager,
  routes: RouteConfiguration,
  request: Request,
  call: Call,
): Outcome {
  const ignorePort =
    routes.ignore_port_in_host_matching || manager.strip_any_host_port || manager.strip_matching_host_port || false;
  const virtualHost = virtualHostFor(routes, request.host, ignorePort);
  if (!virtualHost) return { response: { status: 404 } };
  const within: Outcome = { virtualHost: virtualHost.name ?? '' };
  const location = tlsRedirect(virtualHost, request);
  if (location) return { ...within, response: { status: 301, location } };
  const route = routeFor(virtualHost, request, call);
  if (!route) return { ...within, response: { status: 404 } };
  const at: Outcome = {
    ...within,
    ...(route.name && { route: route.name }),
    routePolicy: routePolicyOf(routes, virtualHost, route),
  };
  const cors = corsOutcome(filtersOf(manager), virtualHost, route, request);
  if (cors.response) return { ...at, ...cors };
  const { mirrors = [], ...outcome } = actionOutcome(routes, virtualHost, route, request);
  // Envoy drops the copies for a cluster that it does not have.
  const copies = mirrors.filter(m => messages.clusters.some(c => c.name === m.cluster));
  const responseHeaders = bothChanges(outcome.responseHeaders, cors.responseHeaders);
  const clues = { hash: hashKeys(route.route?.hash_policy), resolved: hostOfRequest(request) };
  return {
    ...at,
    ...outcome,
    ...(responseHeaders && { responseHeaders }),
    ...(copies.length > 0 && { mirrors: copies }),
    ...(outcome.choices && destination(messages, outcome.choices, call, clues)),
  };
}

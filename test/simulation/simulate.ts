import { typeName, unpackAs } from '../../src/proto/any.ts';
import type { Filter, FilterChain } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import type { RouteConfiguration } from '../../src/proto/generated/envoy/config/route/v3.ts';
import type { HttpConnectionManager } from '../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { TcpProxy } from '../../src/proto/generated/envoy/extensions/filters/network/tcp_proxy/v3.ts';
import type { Any } from '../../src/proto/generated/google/protobuf.ts';
import type { Messages } from '../support/translation.ts';
import { acceptedTlsOf, letsIn } from './accepted-tls.ts';
import { type AccessLog, accessLogsOf } from './access-log.ts';
import { actionOutcome, choices } from './action.ts';
import type { Call, Choice, Outcome } from './call.ts';
import { endpointsOf, ofSubset, transportOf } from './cluster.ts';
import { clusterPolicyOf } from './cluster-policy.ts';
import { connectionManagerOf } from './connection-manager.ts';
import { istioFiltersOf } from './istio-filters.ts';
import { chainFor, listenerFor } from './listener.ts';
import { listenerPolicyOf } from './listener-policy.ts';
import { httpDenial, networkDenial } from './rbac.ts';
import { requestOf, routeFor, virtualHostFor } from './route.ts';
import { routePolicyOf } from './route-policy.ts';
import { tcpPolicyOf } from './tcp-proxy.ts';
import { tracingOf } from './tracing.ts';
import { connectionLimitsOf, requestLimitsOf } from './traffic-limits.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const TCP = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const RBAC = 'envoy.extensions.filters.network.rbac.v3.RBAC';

/** Walks a call through what a proxy is sent, as Envoy would: listener, filter chain, filters, route, cluster, endpoints. */
export function simulate(messages: Messages, call: Call): Outcome {
  const listener = listenerFor(messages.listeners, call);
  if (!listener) return { failure: 'no listener' };
  const chain = chainFor(listener, call);
  const listenerPolicy = listenerPolicyOf(listener, chain, call);
  if (!chain) {
    const logs = accessLogsOf(listener.access_log);
    return { listener: listener.name ?? '', listenerPolicy, ...logged(logs), failure: 'no filter chain' };
  }
  const acceptedTls = acceptedTlsOf(chain);
  const at: Outcome = {
    listener: listener.name ?? '',
    ...(chain.name && { chain: chain.name }),
    listenerPolicy,
    ...(acceptedTls && { acceptedTls }),
  };
  const refused = handshake(chain, call);
  return { ...at, ...(refused ? { failure: refused } : walk(messages, chain.filters ?? [], chain, call)) };
}

/** Why the chain's transport socket would close the connection. */
function handshake(chain: FilterChain, call: Call): string | undefined {
  const any = chain.transport_socket?.typed_config;
  if (!any || !typeName(any.type_url ?? '').endsWith('DownstreamTlsContext')) return undefined;
  if (!call.tls) return 'plaintext on a TLS connection';
  const context = unpackAs('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', any);
  const { principal } = call.tls;
  if (principal === undefined) return context.require_client_certificate?.value ? 'no client certificate' : undefined;
  return letsIn(context, principal) ? undefined : 'the client certificate is of nobody who is let in';
}

const terminates = (chain: FilterChain): boolean => chain.transport_socket !== undefined;

const logged = (accessLogs: readonly AccessLog[]): Outcome => (accessLogs.length > 0 ? { accessLogs } : {});

function walk(messages: Messages, filters: readonly Filter[], chain: FilterChain, call: Call): Outcome {
  for (const [index, { typed_config: any }] of filters.entries()) {
    if (!any) continue;
    const taken = takenBy(messages, any, chain, call);
    if (!taken) continue;
    const passed = filters.slice(0, index + 1);
    return {
      networkFilters: passed.map(f => f.name ?? ''),
      connectionLimits: connectionLimitsOf(passed),
      istioFilters: istioFiltersOf(passed),
      ...taken,
    };
  }
  return { failure: 'no terminal filter' };
}

/** What a network filter makes of the connection; undefined where it leaves it to the next. */
function takenBy(messages: Messages, any: Any, chain: FilterChain, call: Call): Outcome | undefined {
  switch (typeName(any.type_url ?? '')) {
    case RBAC: {
      const denial = networkDenial(unpackAs(RBAC, any), call);
      return denial ? { failure: denial } : undefined;
    }
    case HCM:
      if (call.protocol === 'tcp') return { failure: 'not HTTP' };
      if (call.tls && !terminates(chain)) return { failure: 'TLS where plaintext HTTP is expected' };
      return throughHttp(messages, unpackAs(HCM, any), call);
    case TCP:
      return throughTcp(messages, unpackAs(TCP, any), call);
    default:
      return undefined;
  }
}

function throughTcp(messages: Messages, proxy: TcpProxy, call: Call): Outcome {
  const found = proxy.cluster
    ? [{ cluster: proxy.cluster, percent: 100 }]
    : choices((proxy.weighted_clusters?.clusters ?? []).map(c => ({ name: c.name, weight: c.weight ?? 0 })));
  const tcpPolicy = tcpPolicyOf(proxy);
  return { ...logged(accessLogsOf(proxy.access_log)), tcpPolicy, ...destination(messages, found, call) };
}

function routesOf(messages: Messages, manager: HttpConnectionManager): RouteConfiguration | undefined {
  return manager.route_config ?? messages.routes.find(r => r.name === manager.rds?.route_config_name);
}

function throughHttp(messages: Messages, manager: HttpConnectionManager, call: Call): Outcome {
  const tracing = tracingOf(manager);
  const filters = (manager.http_filters ?? []).filter(f => !f.disabled);
  return {
    httpFilters: filters.map(f => f.name ?? ''),
    requestLimits: requestLimitsOf(filters),
    istioFilters: istioFiltersOf(filters),
    ...logged(accessLogsOf(manager.access_log)),
    ...(tracing && { tracing }),
    manager: connectionManagerOf(manager),
    ...routed(messages, manager, call),
  };
}

function routed(messages: Messages, manager: HttpConnectionManager, call: Call): Outcome {
  const request = requestOf(call);
  const routes = routesOf(messages, manager);
  if (!routes) return { response: { status: 404 } };
  const denial = httpDenial(manager.http_filters ?? [], request, call);
  if (denial) return { routes: routes.name ?? '', response: denial };
  const ignorePort =
    routes.ignore_port_in_host_matching || manager.strip_any_host_port || manager.strip_matching_host_port || false;
  const virtualHost = virtualHostFor(routes, request.host, ignorePort);
  if (!virtualHost) return { routes: routes.name ?? '', response: { status: 404 } };
  const route = routeFor(virtualHost, request, call);
  const at: Outcome = { routes: routes.name ?? '', virtualHost: virtualHost.name ?? '' };
  if (!route) return { ...at, response: { status: 404 } };
  const { mirrors = [], ...outcome } = actionOutcome(routes, virtualHost, route, request);
  // Envoy drops the copies for a cluster that it does not have.
  const copies = mirrors.filter(m => messages.clusters.some(c => c.name === m.cluster));
  return {
    ...at,
    ...(route.name && { route: route.name }),
    routePolicy: routePolicyOf(routes, virtualHost, route),
    ...outcome,
    ...(copies.length > 0 && { mirrors: copies }),
    ...(outcome.choices && destination(messages, outcome.choices, call)),
  };
}

/** What the chosen clusters come to: their endpoints, transport and policy, or an answer where a cluster is unknown. */
function destination(messages: Messages, chosen: readonly Choice[], call: Call): Outcome {
  const found = chosen.map(choice => ofSubset(choice, call));
  const names = found.filter(c => c.percent > 0).map(c => c.cluster);
  const clusters = messages.clusters.filter(c => names.includes(c.name ?? ''));
  const unknown = names.find(name => !clusters.some(c => c.name === name));
  if (unknown !== undefined)
    return {
      choices: found,
      ...(call.protocol === 'tcp' ? { failure: `no cluster ${unknown}` } : { response: { status: 503 } }),
    };
  const endpoints = [...new Set(clusters.flatMap(cluster => endpointsOf(messages, cluster, call)))].sort();
  const transport = [...new Set(clusters.flatMap(transportOf))];
  const [only, another] = clusters;
  return {
    choices: found,
    endpoints,
    ...(transport.length > 0 && { transport }),
    ...(only && !another && { clusterPolicy: clusterPolicyOf(messages, only, call) }),
  };
}

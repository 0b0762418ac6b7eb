import { typeName, unpackAs } from '../../src/proto/any.ts';
import type { Filter, FilterChain } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import type { RouteConfiguration } from '../../src/proto/generated/envoy/config/route/v3.ts';
import type { HttpConnectionManager } from '../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { TcpProxy } from '../../src/proto/generated/envoy/extensions/filters/network/tcp_proxy/v3.ts';
import type { Messages } from '../support/translation.ts';
import { actionOutcome, choices } from './action.ts';
import type { Call, Choice, Outcome } from './call.ts';
import { endpointsOf, transportOf } from './cluster.ts';
import { chainFor, listenerFor } from './listener.ts';
import { httpDenial, networkDenial } from './rbac.ts';
import { requestOf, routeFor, virtualHostFor } from './route.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const TCP = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const RBAC = 'envoy.extensions.filters.network.rbac.v3.RBAC';

/** Walks a call through what a proxy is sent, as Envoy would: listener, filter chain, filters, route, cluster, endpoints. */
export function simulate(messages: Messages, call: Call): Outcome {
  const listener = listenerFor(messages.listeners, call);
  if (!listener) return { failure: 'no listener' };
  const chain = chainFor(listener, call);
  if (!chain) return { listener: listener.name ?? '', failure: 'no filter chain' };
  const at: Outcome = { listener: listener.name ?? '', ...(chain.name && { chain: chain.name }) };
  const refused = handshake(chain, call);
  return { ...at, ...(refused ? { failure: refused } : walk(messages, chain.filters ?? [], chain, call)) };
}

/** Why the chain's transport socket would close the connection. */
function handshake(chain: FilterChain, call: Call): string | undefined {
  const any = chain.transport_socket?.typed_config;
  if (!any || !typeName(any.type_url ?? '').endsWith('DownstreamTlsContext')) return undefined;
  if (!call.tls) return 'plaintext on a TLS connection';
  const context = unpackAs('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', any);
  return context.require_client_certificate?.value && !call.tls.principal ? 'no client certificate' : undefined;
}

const terminates = (chain: FilterChain): boolean => chain.transport_socket !== undefined;

function walk(messages: Messages, filters: readonly Filter[], chain: FilterChain, call: Call): Outcome {
  for (const { typed_config: any } of filters) {
    if (!any) continue;
    switch (typeName(any.type_url ?? '')) {
      case RBAC: {
        const denial = networkDenial(unpackAs(RBAC, any), call);
        if (denial) return { failure: denial };
        break;
      }
      case HCM:
        if (call.protocol === 'tcp') return { failure: 'not HTTP' };
        if (call.tls && !terminates(chain)) return { failure: 'TLS where plaintext HTTP is expected' };
        return throughHttp(messages, unpackAs(HCM, any), call);
      case TCP:
        return throughTcp(messages, unpackAs(TCP, any), call);
    }
  }
  return { failure: 'no terminal filter' };
}

function throughTcp(messages: Messages, proxy: TcpProxy, call: Call): Outcome {
  const found = proxy.cluster
    ? [{ cluster: proxy.cluster, percent: 100 }]
    : choices((proxy.weighted_clusters?.clusters ?? []).map(c => ({ name: c.name, weight: c.weight ?? 0 })));
  return { choices: found, ...destination(messages, found, call) };
}

function routesOf(messages: Messages, manager: HttpConnectionManager): RouteConfiguration | undefined {
  return manager.route_config ?? messages.routes.find(r => r.name === manager.rds?.route_config_name);
}

function throughHttp(messages: Messages, manager: HttpConnectionManager, call: Call): Outcome {
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
    ...outcome,
    ...(copies.length > 0 && { mirrors: copies }),
    ...(outcome.choices && destination(messages, outcome.choices, call)),
  };
}

/** What the chosen clusters come to: their endpoints and transport, or an answer where a cluster is unknown. */
function destination(messages: Messages, chosen: readonly Choice[], call: Call): Outcome {
  const clusters = chosen
    .filter(c => c.percent > 0)
    .map(c => ({ name: c.cluster, cluster: messages.clusters.find(known => known.name === c.cluster) }));
  const unknown = clusters.find(c => !c.cluster);
  if (unknown)
    return call.protocol === 'tcp' ? { failure: `no cluster ${unknown.name}` } : { response: { status: 503 } };
  const found = clusters.flatMap(({ cluster }) => (cluster ? endpointsOf(messages, cluster, call) : []));
  const transport = [...new Set(clusters.flatMap(({ cluster }) => (cluster ? transportOf(cluster) : [])))];
  return { endpoints: [...new Set(found)].sort(), ...(transport.length > 0 && { transport }) };
}

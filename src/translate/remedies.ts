import type { Cluster } from '../proto/generated/envoy/config/cluster/v3.ts';
import type { ClusterLoadAssignment } from '../proto/generated/envoy/config/endpoint/v3.ts';
import type { FilterChain } from '../proto/generated/envoy/config/listener/v3.ts';
import type { Route, RouteConfiguration, VirtualHost } from '../proto/generated/envoy/config/route/v3.ts';
import type { AnyMessage } from '../proto/message.ts';
import type { Step } from '../proto/report.ts';
import { plainTcpProxy } from './filters/well-known.ts';
import { BLACKHOLE_CLUSTER } from './names.ts';

/** What is done about a part of a message that Envoy refuses. */
export interface Remedy {
  /** What its users have instead. */
  readonly says: string;
  /** Whether the part is what MeshConfig says, whatever the resource came from. */
  readonly ofMesh?: boolean;
  /** What stands in its place; absent where nothing does. */
  readonly instead?: (part: AnyMessage) => AnyMessage;
}

/** The ways from a part to what is wrong in it. */
type Ways = readonly (readonly Step[])[];

const leftOut = (what: string): Remedy => ({ says: `${what} is left out` });

const without = (fields: readonly string[], ways: Ways): boolean =>
  ways.every(([first]) => first !== undefined && !fields.includes(String(first)));

const refusal: Route = { match: { prefix: '/' }, direct_response: { status: 500 } };

function ofRoute(ways: Ways): Remedy {
  if (!without(['match', 'name'], ways)) return leftOut('the route');
  return {
    says: 'the requests of the route get 500',
    instead: ({ name, match }: Route) => ({ ...refusal, ...(name && { name }), match }),
  };
}

function ofVirtualHost(ways: Ways): Remedy {
  if (!without(['domains', 'name'], ways)) return leftOut('the virtual host');
  return {
    says: 'the requests of the virtual host get 500',
    instead: ({ name, domains }: VirtualHost) => ({ name, domains, routes: [refusal] }),
  };
}

/** They close every connection: no endpoint stands behind the cluster, whether it is there or not. */
const CLOSING = Object.freeze([plainTcpProxy(BLACKHOLE_CLUSTER)]);

function ofFilterChain(ways: Ways): Remedy {
  if (!without(['filter_chain_match', 'name'], ways)) return leftOut('the filter chain');
  return {
    says: 'the connections of the filter chain are closed',
    instead: ({ name, filter_chain_match }: FilterChain) => ({
      ...(name && { name }),
      ...(filter_chain_match && { filter_chain_match }),
      filters: CLOSING,
    }),
  };
}

const ofCluster = (ways: Ways): Remedy | undefined =>
  without(['name'], ways)
    ? {
        says: 'the cluster has no endpoints: what is sent to it gets 503',
        instead: ({ name }: Cluster) => ({ name, connect_timeout: { seconds: 10 } }),
      }
    : undefined;

/**
 * Parts that can go, by their type (of what is in an Any, that type). Nothing here lets in or through what the part would have stopped: a
 * filter takes its whole chain along, and a transport socket its cluster.
 */
const byType: Readonly<Record<string, Remedy | ((ways: Ways) => Remedy | undefined)>> = {
  'envoy.config.core.v3.HeaderValueOption': leftOut('the header'),
  'envoy.config.accesslog.v3.AccessLog': { ...leftOut('the access log'), ofMesh: true },
  'envoy.type.tracing.v3.CustomTag': { ...leftOut('the tag'), ofMesh: true },
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing': leftOut('tracing'),
  'envoy.config.route.v3.Route': ofRoute,
  'envoy.config.route.v3.VirtualHost': ofVirtualHost,
  'envoy.config.route.v3.RetryPolicy': leftOut('the retry policy'),
  'envoy.config.route.v3.RouteAction.RequestMirrorPolicy': leftOut('the mirror'),
  'envoy.config.route.v3.RouteAction.HashPolicy': leftOut('the hash policy'),
  'envoy.config.route.v3.Decorator': leftOut('the name for traces'),
  'envoy.extensions.filters.http.cors.v3.CorsPolicy': leftOut('the CORS policy'),
  'envoy.extensions.filters.http.fault.v3.HTTPFault': leftOut('the fault'),
  'envoy.config.core.v3.HttpProtocolOptions': leftOut('what is set for HTTP connections'),
  'envoy.config.core.v3.Http2ProtocolOptions': {
    says: 'HTTP/2 has its defaults',
    instead: () => ({}),
  },
  'envoy.config.cluster.v3.OutlierDetection': leftOut('outlier detection'),
  'envoy.config.cluster.v3.CircuitBreakers': leftOut('the circuit breaker'),
  'envoy.config.cluster.v3.UpstreamConnectionOptions': leftOut('what is set for TCP connections'),
  'envoy.config.cluster.v3.Cluster.CommonLbConfig': leftOut('what is set for load balancing'),
  'envoy.config.cluster.v3.Cluster.RingHashLbConfig': leftOut('what is set for the ring'),
  'envoy.config.cluster.v3.Cluster.MaglevLbConfig': leftOut('what is set for the table'),
  'envoy.config.cluster.v3.Cluster.LeastRequestLbConfig': leftOut('what is set for load balancing'),
  'envoy.config.cluster.v3.Cluster.RoundRobinLbConfig': leftOut('what is set for load balancing'),
  'envoy.config.endpoint.v3.LbEndpoint': leftOut('the endpoint'),
  'envoy.config.endpoint.v3.LocalityLbEndpoints': leftOut('the locality'),
  'envoy.config.listener.v3.FilterChain': ofFilterChain,
  // Whole resources.
  'envoy.config.cluster.v3.Cluster': ofCluster,
  'envoy.config.endpoint.v3.ClusterLoadAssignment': {
    says: 'the cluster has no endpoints',
    instead: ({ cluster_name }: ClusterLoadAssignment) => ({ cluster_name }),
  },
  'envoy.config.route.v3.RouteConfiguration': {
    says: 'all its requests get 500',
    instead: ({ name }: RouteConfiguration) => ({
      name,
      virtual_hosts: [{ name: 'refused', domains: ['*'], routes: [refusal] }],
    }),
  },
};

/** Fields of other types that can go, by their name. */
const byField: Readonly<Record<string, Remedy>> = {
  request_headers_to_remove: leftOut('the removal of the header'),
  response_headers_to_remove: leftOut('the removal of the header'),
  domains: leftOut('the domain'),
  server_name: leftOut('the name of the server'),
};

/** What is done about a part of a type, in a field; undefined where it cannot go. `ways` lead from it to what is wrong. */
export function remedyOf(type: string, field: string, ways: Ways): Remedy | undefined {
  const remedy = Object.hasOwn(byType, type) ? byType[type] : byField[field];
  return typeof remedy === 'function' ? remedy(ways) : remedy;
}

import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { LbEndpoint, LocalityLbEndpoints } from '../../../src/proto/generated/envoy/config/endpoint/v3.ts';
import type { Messages } from '../../support/translation.ts';
import type { Call, Choice } from '../call.ts';
import { isDynamic } from './forward-proxy.ts';

const HEALTHY: readonly number[] = [0, 1];

/** `address:port` of an endpoint, or `unix:path`. */
export function addressOf(endpoint: LbEndpoint): string {
  const address = endpoint.endpoint?.address;
  if (address?.pipe) return `unix:${address.pipe.path}`;
  const socket = address?.socket_address;
  return `${socket?.address}:${socket?.port_value}`;
}

/** The endpoints that are healthy, best priority first; priorities without any are left out. */
export function priorities(groups: readonly LocalityLbEndpoints[]): readonly (readonly LocalityLbEndpoints[])[] {
  const healthy = groups
    .map(g => ({ ...g, lb_endpoints: (g.lb_endpoints ?? []).filter(e => HEALTHY.includes(e.health_status ?? 0)) }))
    .filter(g => g.lb_endpoints.length > 0);
  const levels = [...new Set(healthy.map(g => g.priority ?? 0))].sort((a, b) => a - b);
  return levels.map(level => healthy.filter(g => (g.priority ?? 0) === level));
}

/** Addresses of the endpoints of localities, sorted. */
export const addresses = (groups: readonly LocalityLbEndpoints[]): readonly string[] =>
  groups.flatMap(g => (g.lb_endpoints ?? []).map(addressOf)).sort();

const ORIGINAL_DST = 4;
const EDS = 3;

/** The endpoints that a cluster is told of, itself or apart. */
export function assigned(messages: Messages, cluster: Cluster): readonly LocalityLbEndpoints[] {
  const name = cluster.eds_cluster_config?.service_name || cluster.name;
  const assignment =
    cluster.type === EDS ? messages.endpoints.find(e => e.cluster_name === name) : cluster.load_assignment;
  return assignment?.endpoints ?? [];
}

/** `address:port` of the endpoints that get a cluster's traffic for a call. `resolved`: `host:port` of the call, for a dynamic cluster to find. */
export function endpointsOf(messages: Messages, cluster: Cluster, call: Call, resolved?: string): readonly string[] {
  if (isDynamic(cluster)) return resolved ? [resolved] : [];
  if (cluster.type === ORIGINAL_DST) {
    const port = cluster.original_dst_lb_config?.upstream_port_override?.value ?? call.port;
    return [`${call.address}:${port}`];
  }
  return addresses(priorities(assigned(messages, cluster))[0] ?? []);
}

/** A choice with the cluster of the subset that the call asks for, where it asks for one. */
export const ofSubset = (choice: Choice, { subset }: Call): Choice =>
  subset === undefined ? choice : { ...choice, cluster: choice.cluster.replace(/^(\w+\|\d+\|)[^|]*/, `$1${subset}`) };

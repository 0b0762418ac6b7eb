import type { Cluster } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { ClusterLoadAssignment, LbEndpoint } from '../../src/proto/generated/envoy/config/endpoint/v3.ts';
import type { Messages } from '../support/translation.ts';
import type { Call } from './call.ts';

const HEALTHY: readonly number[] = [0, 1];

function addressOf(endpoint: LbEndpoint): string {
  const address = endpoint.endpoint?.address;
  if (address?.pipe) return `unix:${address.pipe.path}`;
  const socket = address?.socket_address;
  return `${socket?.address}:${socket?.port_value}`;
}

/** Endpoints of the best priority that has any healthy one. */
function healthyOf(assignment: ClusterLoadAssignment | undefined): readonly string[] {
  const groups = assignment?.endpoints ?? [];
  for (const priority of [...new Set(groups.map(g => g.priority ?? 0))].sort((a, b) => a - b)) {
    const found = groups
      .filter(g => (g.priority ?? 0) === priority)
      .flatMap(g => g.lb_endpoints ?? [])
      .filter(e => HEALTHY.includes(e.health_status ?? 0))
      .map(addressOf);
    if (found.length > 0) return found.sort();
  }
  return [];
}

const ORIGINAL_DST = 4;
const EDS = 3;

/** `address:port` of the endpoints that get a cluster's traffic for a call. */
export function endpointsOf(messages: Messages, cluster: Cluster, call: Call): readonly string[] {
  if (cluster.type === ORIGINAL_DST) {
    const port = cluster.original_dst_lb_config?.upstream_port_override?.value ?? call.port;
    return [`${call.address}:${port}`];
  }
  if (cluster.type !== EDS) return healthyOf(cluster.load_assignment);
  const name = cluster.eds_cluster_config?.service_name || cluster.name;
  return healthyOf(messages.endpoints.find(e => e.cluster_name === name));
}

/** Names of the transport sockets that the cluster may use. */
export const transportOf = (cluster: Cluster): readonly string[] =>
  cluster.transport_socket_matches?.map(m => m.name ?? '') ??
  (cluster.transport_socket ? [cluster.transport_socket.name ?? ''] : []);

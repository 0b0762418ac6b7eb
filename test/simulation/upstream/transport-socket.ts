import { isDeepStrictEqual } from 'node:util';
import type { Cluster, Cluster_TransportSocketMatch } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { LbEndpoint } from '../../../src/proto/generated/envoy/config/endpoint/v3.ts';
import { fromStruct } from '../../../src/proto/wellknown.ts';

/** The first of the cluster's sockets for kinds of endpoints whose conditions the endpoint's metadata meets. */
export function transportSocketMatch(
  cluster: Cluster,
  endpoint: LbEndpoint | undefined,
): Cluster_TransportSocketMatch | undefined {
  const metadata = fromStruct(endpoint?.metadata?.filter_metadata?.['envoy.transport_socket_match'] ?? {});
  return cluster.transport_socket_matches?.find(({ match }) =>
    Object.entries(fromStruct(match ?? {})).every(([key, value]) => isDeepStrictEqual(metadata[key], value)),
  );
}

/** Names of the transport sockets that the cluster may use. */
export const transportOf = (cluster: Cluster): readonly string[] =>
  cluster.transport_socket_matches?.map(m => m.name ?? '') ??
  (cluster.transport_socket ? [cluster.transport_socket.name ?? ''] : []);

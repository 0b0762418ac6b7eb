import { isIP } from 'node:net';
import {
  type Cluster,
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_LbPolicy as LbPolicy,
} from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { SocketAddress } from '../../proto/generated/envoy/config/core/v3.ts';
import type { Duration } from '../../proto/generated/google/protobuf.ts';
import { ruleFaults } from './rule-faults.ts';

const isPositive = ({ seconds = 0, nanos = 0 }: Duration): boolean => seconds > 0 || (seconds === 0 && nanos > 0);

const socketAddresses = (cluster: Cluster): readonly SocketAddress[] =>
  (cluster.load_assignment?.endpoints ?? []).flatMap(({ lb_endpoints = [] }) =>
    lb_endpoints.flatMap(({ endpoint }) => endpoint?.address?.socket_address ?? []),
  );

function discoveryFault(cluster: Cluster, type: DiscoveryType): string | undefined {
  switch (type) {
    case DiscoveryType.EDS:
      return cluster.eds_cluster_config?.eds_config ? undefined : 'an EDS cluster needs an eds_cluster_config';
    case DiscoveryType.STATIC: {
      const wrong = socketAddresses(cluster).find(
        ({ address = '', resolver_name }) => !resolver_name && !isIP(address),
      );
      return wrong && `a STATIC cluster has IP addresses, not ${wrong.address || 'an empty one'}`;
    }
    case DiscoveryType.LOGICAL_DNS: {
      const endpoints = cluster.load_assignment?.endpoints ?? [];
      return endpoints.length === 1 && endpoints[0]?.lb_endpoints?.length === 1
        ? undefined
        : 'a LOGICAL_DNS cluster has exactly one endpoint';
    }
    default:
      return undefined;
  }
}

/** What Envoy would reject a cluster for. */
export function* clusterFaults(cluster: Cluster): Iterable<string> {
  yield* outerFaults(cluster);
  yield* ruleFaults('envoy.config.cluster.v3.Cluster', cluster);
}

function* outerFaults(cluster: Cluster): Iterable<string> {
  const { name = '', type = DiscoveryType.STATIC, lb_policy = LbPolicy.ROUND_ROBIN } = cluster;
  if (!name) yield 'a cluster needs a name';
  if (cluster.connect_timeout && !isPositive(cluster.connect_timeout)) yield 'connect_timeout has to be above zero';
  if (cluster.cluster_type || cluster.load_balancing_policy) return;
  if ((lb_policy === LbPolicy.CLUSTER_PROVIDED) !== (type === DiscoveryType.ORIGINAL_DST))
    yield 'ORIGINAL_DST clusters, and only they, have the lb_policy CLUSTER_PROVIDED';
  const fault = discoveryFault(cluster, type);
  if (fault) yield fault;
}

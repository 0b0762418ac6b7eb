import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { Messages } from '../../support/translation.ts';
import type { Call } from '../call.ts';
import { type ConnectionPool, connectionPoolOf } from './connection-pool.ts';
import { type LoadBalancer, loadBalancerOf } from './load-balancer.ts';
import { localitiesOf } from './localities.ts';
import { minHealthPercentOf, type OutlierDetection, outlierDetectionOf } from './outlier-detection.ts';
import { type UpstreamTransport, upstreamTransportOf } from './upstream-tls.ts';

/** How a cluster treats a call: what a DestinationRule's traffic policy is about. */
export interface ClusterPolicy extends LoadBalancer, ConnectionPool, UpstreamTransport {
  /** Shares in percent by `region/zone/subzone`, where localities are weighted. */
  readonly localities?: Readonly<Record<string, number>>;
  readonly outlierDetection?: OutlierDetection;
  /** Below that share of healthy endpoints, in percent, all of them are used. */
  readonly minHealthPercent?: number;
  /** Bytes that a connection to an endpoint holds back. */
  readonly upstreamBuffer?: number;
}

/** The policy of a cluster for a call. */
export function clusterPolicyOf(messages: Messages, cluster: Cluster, call: Call): ClusterPolicy {
  const outlierDetection = outlierDetectionOf(cluster);
  const minHealthPercent = minHealthPercentOf(cluster);
  const buffer = cluster.per_connection_buffer_limit_bytes?.value;
  const localities = localitiesOf(messages, cluster);
  return {
    ...loadBalancerOf(cluster),
    ...connectionPoolOf(cluster, call),
    ...(localities && { localities }),
    ...upstreamTransportOf(messages, cluster, call),
    ...(outlierDetection && { outlierDetection }),
    ...(minHealthPercent && { minHealthPercent }),
    ...(buffer !== undefined && { upstreamBuffer: buffer }),
  };
}

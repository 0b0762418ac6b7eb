import { type Cluster, Cluster_DnsLookupFamily } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import { milliseconds } from '../../src/proto/wellknown.ts';
import type { Messages } from '../support/translation.ts';
import type { Call } from './call.ts';
import { type ConnectionPool, connectionPoolOf } from './connection-pool.ts';
import { enumName } from './enum-name.ts';
import { type LoadBalancer, loadBalancerOf } from './load-balancer.ts';
import { type Localities, localitiesOf } from './localities.ts';
import { minHealthPercentOf, type OutlierDetection, outlierDetectionOf } from './outlier-detection.ts';
import { type UpstreamTransport, upstreamTransportOf } from './upstream-tls.ts';

/** How a cluster treats a call: what a DestinationRule's traffic policy is about. */
export interface ClusterPolicy extends LoadBalancer, ConnectionPool, Localities, UpstreamTransport {
  readonly outlierDetection?: OutlierDetection;
  /** Below that share of healthy endpoints, in percent, all of them are used. */
  readonly minHealthPercent?: number;
  /** Bytes that a connection to an endpoint holds back. */
  readonly upstreamBuffer?: number;
  readonly dnsLookupFamily?: string;
  /** Milliseconds between two look-ups of its names. */
  readonly dnsRefreshRate?: number;
}

/** The policy of a cluster for a call. */
export function clusterPolicyOf(messages: Messages, cluster: Cluster, call: Call): ClusterPolicy {
  const outlierDetection = outlierDetectionOf(cluster);
  const minHealthPercent = minHealthPercentOf(cluster);
  const buffer = cluster.per_connection_buffer_limit_bytes?.value;
  const family = cluster.dns_lookup_family;
  return {
    ...loadBalancerOf(cluster),
    ...connectionPoolOf(cluster, call),
    ...localitiesOf(messages, cluster),
    ...upstreamTransportOf(messages, cluster, call),
    ...(outlierDetection && { outlierDetection }),
    ...(minHealthPercent && { minHealthPercent }),
    ...(buffer !== undefined && { upstreamBuffer: buffer }),
    ...(family !== undefined && { dnsLookupFamily: enumName(Cluster_DnsLookupFamily, family) }),
    ...(cluster.dns_refresh_rate && { dnsRefreshRate: milliseconds(cluster.dns_refresh_rate) }),
  };
}

import {
  type Cluster,
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_DnsLookupFamily as DnsLookupFamily,
} from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';
import { enumName } from '../message/enum-name.ts';

/** How a cluster comes by its endpoints. */
export interface Discovery {
  /** Envoy's name of the type: `EDS`, `STRICT_DNS`, or of the extension. */
  readonly type: string;
  readonly dnsLookupFamily?: string;
  /** Milliseconds after which names are resolved again. */
  readonly dnsRefreshRate?: number;
}

/** Reads it from a cluster. */
export function discoveryOf(cluster: Cluster): Discovery {
  const { type = DiscoveryType.STATIC, cluster_type: extension, dns_lookup_family: family } = cluster;
  return {
    type: extension?.name ?? enumName(DiscoveryType, type),
    ...(family !== undefined && { dnsLookupFamily: enumName(DnsLookupFamily, family) }),
    ...(cluster.dns_refresh_rate && { dnsRefreshRate: milliseconds(cluster.dns_refresh_rate) }),
  };
}

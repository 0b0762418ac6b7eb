/** Clusters that Envoy resolves by DNS. */

import type { IpFamilies } from '../../istio/ip-families.ts';
import { memo } from '../../memo.ts';
import { extension } from '../../proto/any.ts';
import {
  type Cluster,
  type Cluster_CustomClusterType as CustomClusterType,
  Cluster_DnsLookupFamily as Family,
} from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { TypedExtensionConfig } from '../../proto/generated/envoy/config/core/v3.ts';
import type { DnsCacheConfig } from '../../proto/generated/envoy/extensions/common/dynamic_forward_proxy/v3.ts';
import type { MeshConfig } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import type { MessageTypes } from '../../proto/message.ts';
import type { ClusterTraits } from './cluster-traits.ts';

/** Envoy's own resolver of names. */
export const caresResolver = (
  config: MessageTypes['envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig'],
): TypedExtensionConfig =>
  extension(
    'envoy.network.dns_resolver.cares',
    'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig',
    config,
  );

const RESOLVER = caresResolver({ udp_max_queries: { value: 100 } });

/** The family that Envoy asks DNS for; with both it is IPv4, as istiod has it without ISTIO_DUAL_STACK (istio: SelectDNSLookupFamily). */
export const lookupFamily = ({ ipv4 }: IpFamilies): Family => (ipv4 ? Family.V4_ONLY : Family.V6_ONLY);

/** How often and for which address family Envoy asks; the refresh rate counts only after failures, else the record's TTL does. */
export const dnsFields = (
  mesh: MeshConfig,
  traits: ClusterTraits,
): Pick<
  Cluster,
  'dns_lookup_family' | 'typed_dns_resolver_config' | 'dns_jitter' | 'dns_refresh_rate' | 'respect_dns_ttl'
> => ({
  dns_lookup_family: lookupFamily(traits),
  typed_dns_resolver_config: RESOLVER,
  dns_jitter: { nanos: 100_000_000 },
  dns_refresh_rate: mesh.dnsRefreshRate,
  respect_dns_ttl: true,
});

/** The DNS cache that a dynamic forward proxy's cluster and filters share. */
export const dnsCache = (hostname: string, families: IpFamilies): DnsCacheConfig => ({
  name: `${hostname}_dfp_dns_cache`,
  dns_lookup_family: lookupFamily(families),
});

/** The cluster type that resolves the host of each request. `insecure`: the TLS in force checks no names, which Envoy must be told to allow. */
export const dynamicForwardProxy = memo(
  (traits: ClusterTraits, hostname: string, insecure: boolean): CustomClusterType =>
    extension(
      'envoy.clusters.dynamic_forward_proxy',
      'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig',
      {
        dns_cache_config: dnsCache(hostname, traits),
        allow_insecure_cluster_options: insecure || undefined,
      },
    ),
);

/** Clusters that no Service stands behind: where traffic goes that none claims, and the pod's own SDS server. */

import { inboundSources } from '../../istio/ip-families.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { memo } from '../../memo.ts';
import { extension } from '../../proto/any.ts';
import {
  type Cluster,
  Cluster_LbPolicy as LbPolicy,
  Cluster_DiscoveryType as Type,
} from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { BindConfig } from '../../proto/generated/envoy/config/core/v3.ts';
import {
  ALLOW_ANY_DYNAMIC_DNS_CLUSTER,
  BLACKHOLE_CLUSTER,
  INBOUND_PASSTHROUGH_CLUSTER,
  PASSTHROUGH_CLUSTER,
} from '../names.ts';
import { type ClusterResource, clusterResource } from '../resource.ts';
import type { ClusterTraits } from './cluster-traits.ts';
import { connectionPool } from './connection-pool.ts';
import { sharedDnsCache } from './dynamic-dns.ts';
import { httpOptions, passthroughHttpOptions } from './http-options.ts';
import { metadataExchange } from './metadata-exchange.ts';
import { SDS_EXTERNAL_CLUSTER } from './sds.ts';
import { delimited } from './stat-name.ts';

const HTTP2_OPTIONS = httpOptions('http2', undefined, undefined);

const resource = (message: Cluster): ClusterResource => clusterResource(message, []);

/** Refuses everything: it has no endpoints. */
export const blackHoleCluster = memo(
  (mesh: MeshSettings): ClusterResource =>
    resource({
      name: BLACKHOLE_CLUSTER,
      alt_stat_name: delimited(BLACKHOLE_CLUSTER),
      type: Type.STATIC,
      connect_timeout: mesh.config.connectTimeout,
    }),
);

const passthrough = (mesh: MeshSettings, traits: ClusterTraits, name: string): Cluster => ({
  name,
  // Both directions count as one cluster in statistics, as istiod has it.
  alt_stat_name: delimited(PASSTHROUGH_CLUSTER),
  type: Type.ORIGINAL_DST,
  lb_policy: LbPolicy.CLUSTER_PROVIDED,
  typed_extension_protocol_options: passthroughHttpOptions(traits),
  ...connectionPool(mesh.config, mesh.config.defaultTrafficPolicy?.connectionPool, undefined),
});

/** Sends traffic on to where the application meant it to go. */
export const passthroughCluster = memo(
  (mesh: MeshSettings, traits: ClusterTraits): ClusterResource =>
    resource({ ...passthrough(mesh, traits, PASSTHROUGH_CLUSTER), filters: metadataExchange(traits) }),
);

/** Looks up the host of each request (istio: buildAllowAnyDFPCluster). */
export const dynamicDnsCluster = memo(
  (mesh: MeshSettings, traits: ClusterTraits, agent: string | undefined): ClusterResource =>
    resource({
      name: ALLOW_ANY_DYNAMIC_DNS_CLUSTER,
      alt_stat_name: delimited(ALLOW_ANY_DYNAMIC_DNS_CLUSTER),
      lb_policy: LbPolicy.CLUSTER_PROVIDED,
      cluster_type: extension(
        'envoy.clusters.dynamic_forward_proxy',
        'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig',
        {
          dns_cache_config: sharedDnsCache(traits, agent),
          allow_insecure_cluster_options: true,
        },
      ),
      typed_extension_protocol_options: passthroughHttpOptions(traits),
      ...connectionPool(mesh.config, undefined, undefined),
      filters: metadataExchange(traits),
    }),
);

/** The source address by which the pod's own redirection knows traffic from the proxy to the application, and lets it pass. */
export function inboundBindConfig(traits: ClusterTraits, everyFamily: boolean): BindConfig {
  const [first, ...others] = inboundSources(traits).map(address => ({ address, port_value: 0 }));
  return {
    source_address: first,
    extra_source_addresses: everyFamily && others.length > 0 ? others.map(address => ({ address })) : undefined,
  };
}

/** Sends inbound traffic on to the application's port. */
export const inboundPassthroughCluster = memo(
  (mesh: MeshSettings, traits: ClusterTraits): ClusterResource =>
    resource({
      ...passthrough(mesh, traits, INBOUND_PASSTHROUGH_CLUSTER),
      upstream_bind_config: inboundBindConfig(traits, true),
    }),
);

/** The SDS server on a socket of the pod's own, for `sds://` credentials. */
export const externalSdsCluster = memo((mesh: MeshSettings): ClusterResource => {
  const pipe = { path: './var/run/secrets/credential-uds/socket' };
  return resource({
    name: SDS_EXTERNAL_CLUSTER,
    alt_stat_name: delimited(SDS_EXTERNAL_CLUSTER),
    type: Type.STATIC,
    connect_timeout: mesh.config.connectTimeout,
    load_assignment: {
      cluster_name: SDS_EXTERNAL_CLUSTER,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe } } }] }],
    },
    typed_extension_protocol_options: HTTP2_OPTIONS,
  });
});

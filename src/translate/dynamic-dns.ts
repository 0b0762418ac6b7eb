/** OutboundTrafficPolicy ALLOW_ANY_DYNAMIC_DNS: HTTP to hosts that the mesh does not know goes where DNS says that they are. */

import { memo } from '../memo.ts';
import { typed } from '../proto/any.ts';
import { Cluster_DnsLookupFamily as Family } from '../proto/generated/envoy/config/cluster/v3.ts';
import type { DnsCacheConfig } from '../proto/generated/envoy/extensions/common/dynamic_forward_proxy/v3.ts';
import type { HttpFilter } from '../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';

/** Istio's default of PILOT_ALLOW_ANY_DYNAMIC_DNS_MAX_HOSTS. */
const MAX_HOSTS = 1024;

/** Where the agent answers DNS. */
const AGENT = { address: '127.0.0.1', port_value: 15053 };

/** The cache that the cluster and the filters share: Envoy demands that all describe it alike. */
export const sharedDnsCache = (ipv4: boolean, dnsCapture: boolean): DnsCacheConfig => ({
  name: 'allow_any_dfp_dns_cache',
  max_hosts: { value: MAX_HOSTS },
  dns_lookup_family: ipv4 ? Family.V4_ONLY : Family.V6_ONLY,
  ...(dnsCapture && {
    typed_dns_resolver_config: {
      name: 'envoy.network.dns_resolver.cares',
      typed_config: typed('envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig', {
        resolvers: [{ socket_address: AGENT }],
      }),
    },
  }),
});

interface Family46 {
  readonly ipv4: boolean;
  readonly dnsCapture: boolean;
}

/** The filter by which a request's host is looked up; every outbound connection manager has it. */
export const sharedForwardProxy = memo(
  ({ ipv4, dnsCapture }: Family46): HttpFilter => ({
    name: 'envoy.filters.http.dynamic_forward_proxy',
    typed_config: typed('envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig', {
      dns_cache_config: sharedDnsCache(ipv4, dnsCapture),
    }),
  }),
);

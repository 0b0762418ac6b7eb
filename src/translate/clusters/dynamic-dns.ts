/** OutboundTrafficPolicy ALLOW_ANY_DYNAMIC_DNS: HTTP to hosts that the mesh does not know goes where DNS says that they are. */

import { isIP } from 'node:net';
import type { IpFamilies } from '../../istio/ip-families.ts';
import { memo } from '../../memo.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import { extension } from '../../proto/any.ts';
import type { DnsCacheConfig } from '../../proto/generated/envoy/extensions/common/dynamic_forward_proxy/v3.ts';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import { caresResolver, lookupFamily } from './dns.ts';

/** Istio's default of PILOT_ALLOW_ANY_DYNAMIC_DNS_MAX_HOSTS. */
const MAX_HOSTS = 1024;

/** Where the agent answers DNS (`DNS_PROXY_ADDR`), for a proxy whose names it is to resolve; undefined for others. */
export function agentResolver({ dnsCapture, options }: Traits): string | undefined {
  return dnsCapture ? (options['DNS_PROXY_ADDR'] ?? '') : undefined;
}

/** The address and port of `host:port`; no address where the host is a name, as in Istio's default `localhost:15053`. */
export function resolverAddress(agent: string): { readonly address: string | undefined; readonly port: number } {
  const [, host = '', port = ''] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(agent) ?? [];
  return { address: isIP(host) ? host : undefined, port: Number(port) || 15053 };
}

/** A resolver of Envoy's, which takes addresses only. */
function resolver(agent: string) {
  const { address = '127.0.0.1', port } = resolverAddress(agent);
  return { address, port_value: port };
}

/** The cache that the cluster and the filters share: Envoy demands that all describe it alike. */
export const sharedDnsCache = (families: IpFamilies, agent: string | undefined): DnsCacheConfig => ({
  name: 'allow_any_dfp_dns_cache',
  max_hosts: { value: MAX_HOSTS },
  dns_lookup_family: lookupFamily(families),
  ...(agent !== undefined && {
    typed_dns_resolver_config: caresResolver({ resolvers: [{ socket_address: resolver(agent) }] }),
  }),
});

/** The filter by which a request's host is looked up. */
export const forwardProxyFilter = (cache: DnsCacheConfig): HttpFilter =>
  extension(
    'envoy.filters.http.dynamic_forward_proxy',
    'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig',
    {
      dns_cache_config: cache,
    },
  );

/** The one that every outbound connection manager has. */
export const sharedForwardProxy = memo(
  (families: IpFamilies, agent: string | undefined): HttpFilter => forwardProxyFilter(sharedDnsCache(families, agent)),
);

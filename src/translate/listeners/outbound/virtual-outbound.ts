import { wildcards } from '../../../istio/ip-families.ts';
import { memo } from '../../../memo.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import type { Scope } from '../../../model/scope/scope.ts';
import type { AccessLog } from '../../../proto/generated/envoy/config/accesslog/v3.ts';
import { TrafficDirection } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { Filter, Listener } from '../../../proto/generated/envoy/config/listener/v3.ts';
import type { VirtualHost } from '../../../proto/generated/envoy/config/route/v3.ts';
import { bool, uint32 } from '../../../proto/wellknown.ts';
import { HTTP_INSPECTOR, plainTcpProxy } from '../../filters/well-known.ts';
import { ALLOW_ANY_DYNAMIC_DNS, BLACKHOLE_CLUSTER, VIRTUAL_OUTBOUND_LISTENER } from '../../names.ts';
import { egressCluster } from '../../routes/catch-all.ts';
import { listenAddress } from '../chains/address.ts';
import { PLAINTEXT_HTTP_ALPN } from '../chains/filter-chain.ts';
import { type HttpContext, httpConnectionManagerFilter } from '../chains/http-connection-manager.ts';
import { ONE_AT_A_TIME } from '../chains/listener.ts';
import { networkFilters, type TcpContext } from '../chains/network-filters.ts';

/** Where connections to unknown destinations go: on, to the egress proxy that the Sidecar names, or nowhere. */
export const catchAllCluster = (policy: Scope['outboundPolicy']): string =>
  policy.mode === 'REGISTRY_ONLY' ? BLACKHOLE_CLUSTER : egressCluster(policy);

/** The filters of connections that nothing else takes (istio: buildOutboundCatchAllNetworkFiltersOnly). */
export const catchAllFilters = memo((context: TcpContext, cluster: string): readonly Filter[] =>
  networkFilters(context, {
    statPrefix: cluster,
    clusters: [{ name: cluster }],
    subset: '',
    protocol: 'TCP',
    rule: undefined,
  }),
);

/** HTTP to hosts that no listener is for, under ALLOW_ANY_DYNAMIC_DNS (istio: buildAllowAnyDynamicDNSHTTPFilterChain). */
export const dynamicDnsFilter = memo(
  (context: HttpContext, virtualHost: VirtualHost): Filter =>
    httpConnectionManagerFilter(context, {
      statPrefix: 'outbound_virtualOutbound_allow_any_dynamic_dns;',
      routes: {
        name: ALLOW_ANY_DYNAMIC_DNS,
        virtual_hosts: [virtualHost],
        validate_clusters: bool(false),
        max_direct_response_body_size_bytes: uint32(1024 * 1024),
        ignore_port_in_host_matching: true,
      },
    }),
);

/**
 * The listener that iptables redirects every outgoing connection to. It hands each to the listener of its original destination; what has
 * none takes the catch-all chain. Connections to its own port would come back to it for ever: they end.
 */
export const virtualOutbound = memo(
  (
    context: TcpContext,
    traits: Traits,
    catchAll: readonly Filter[],
    accessLogs: readonly AccessLog[],
    dynamic: Filter | undefined,
  ): Listener => {
    const port = context.mesh.config.proxyListenPort ?? 0;
    return {
      name: VIRTUAL_OUTBOUND_LISTENER,
      address: listenAddress(wildcards(traits)[0], port),
      transparent: traits.interception === 'TPROXY' ? bool(true) : undefined,
      use_original_dst: bool(true),
      filter_chains: [
        {
          name: 'virtualOutbound-blackhole',
          filter_chain_match: { destination_port: uint32(port) },
          filters: [...context.metrics, plainTcpProxy(BLACKHOLE_CLUSTER)],
        },
        ...(dynamic
          ? [
              {
                name: 'virtualOutbound-catchall-tcp-http',
                filter_chain_match: { application_protocols: PLAINTEXT_HTTP_ALPN },
                filters: [dynamic],
              },
            ]
          : []),
        { name: 'virtualOutbound-catchall-tcp', filters: catchAll },
      ],
      ...(dynamic && { listener_filters: [HTTP_INSPECTOR] }),
      traffic_direction: TrafficDirection.OUTBOUND,
      access_log: accessLogs,
      max_connections_to_accept_per_socket_event: ONE_AT_A_TIME,
    };
  },
);

import { memo } from '../../memo.ts';
import type { Scope } from '../../model/scope.ts';
import { type Traits, wildcardAddress } from '../../model/traits.ts';
import type { AccessLog } from '../../proto/generated/envoy/config/accesslog/v3.ts';
import { TrafficDirection } from '../../proto/generated/envoy/config/core/v3.ts';
import type { Filter, Listener } from '../../proto/generated/envoy/config/listener/v3.ts';
import { bool, uint32 } from '../../proto/wellknown.ts';
import { plainTcpProxy } from '../filters/well-known.ts';
import { BLACKHOLE_CLUSTER, outboundClusterName, PASSTHROUGH_CLUSTER, VIRTUAL_OUTBOUND_LISTENER } from '../names.ts';
import { listenAddress } from './address.ts';
import { networkFilters, type TcpContext } from './network-filters.ts';
import { ONE_AT_A_TIME } from './outbound.ts';

/** Where connections to unknown destinations go: on, to the egress proxy that the Sidecar names, or nowhere. */
export function catchAllCluster({ mode, egressProxy }: Scope['outboundPolicy']): string {
  if (mode !== 'ALLOW_ANY') return BLACKHOLE_CLUSTER;
  return egressProxy
    ? outboundClusterName(egressProxy.host, egressProxy.port, egressProxy.subset)
    : PASSTHROUGH_CLUSTER;
}

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

/**
 * The listener that iptables redirects every outgoing connection to. It hands each to the listener of its original destination; what has
 * none takes the catch-all chain. Connections to its own port would come back to it for ever: they end.
 */
export const virtualOutbound = memo(
  (context: TcpContext, traits: Traits, catchAll: readonly Filter[], accessLogs: readonly AccessLog[]): Listener => {
    const port = context.mesh.config.proxyListenPort ?? 0;
    return {
      name: VIRTUAL_OUTBOUND_LISTENER,
      address: listenAddress(wildcardAddress(traits), port),
      transparent: traits.interception === 'TPROXY' ? bool(true) : undefined,
      use_original_dst: bool(true),
      filter_chains: [
        {
          name: 'virtualOutbound-blackhole',
          filter_chain_match: { destination_port: uint32(port) },
          filters: [...context.metrics, plainTcpProxy(BLACKHOLE_CLUSTER)],
        },
        { name: 'virtualOutbound-catchall-tcp', filters: catchAll },
      ],
      traffic_direction: TrafficDirection.OUTBOUND,
      access_log: accessLogs,
      max_connections_to_accept_per_socket_event: ONE_AT_A_TIME,
    };
  },
);

import type { DestinationRule } from '../../../istio/config.ts';
import type { Protocol } from '../../../istio/protocol.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { memo } from '../../../memo.ts';
import { hasExtension, type Traits } from '../../../model/proxy/traits.ts';
import type { EffectiveDestinationRule } from '../../../model/routing/destination-rules.ts';
import type { Service } from '../../../model/services/service.ts';
import { extension } from '../../../proto/any.ts';
import type { AccessLog } from '../../../proto/generated/envoy/config/accesslog/v3.ts';
import type { Filter } from '../../../proto/generated/envoy/config/listener/v3.ts';
import { FilterStateValue_SharedWithUpstream as SharedWithUpstream } from '../../../proto/generated/envoy/extensions/filters/common/set_filter_state/v3.ts';
import type { HttpFilter } from '../../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { TcpProxy } from '../../../proto/generated/envoy/extensions/filters/network/tcp_proxy/v3.ts';
import { ClientTLSSettings_TLSmode as TlsMode } from '../../../proto/generated/istio/networking/v1alpha3.ts';
import { dnsCache } from '../../clusters/dns.ts';
import { forwardProxyFilter } from '../../clusters/dynamic-dns.ts';
import { balancersOf, portPolicy, subsetPolicy } from '../../destinations/traffic-policy.ts';
import { tcpMetadataExchange } from '../../filters/istio-build.ts';
import { SNI_DYNAMIC_FORWARD_PROXY, TCP_PROXY } from '../../filters/well-known.ts';
import { goDuration, type ListenerClass } from '../../proxy-config.ts';

/** What the TCP chains of a proxy's listeners of one class have in common. Memoised: one value a class. */
export interface TcpContext {
  readonly mesh: MeshSettings;
  readonly traits: Traits;
  readonly listener: ListenerClass;
  readonly accessLogs: readonly AccessLog[];
  readonly customAuthorization: readonly Filter[];
  readonly authorization: readonly Filter[];
  /** Istio's metrics filter, where the build has it. */
  readonly metrics: readonly Filter[];
}

/** Where a TCP chain sends its connections. */
export interface TcpTarget {
  readonly statPrefix: string;
  /** Clusters with their weights; one without a weight is the only one. */
  readonly clusters: readonly { readonly name: string; readonly weight?: number }[];
  readonly subset: string;
  /** The Service's port, where it is known: the rule may speak of it. */
  readonly port?: number | undefined;
  readonly protocol: Protocol;
  readonly rule: EffectiveDestinationRule | undefined;
  /** A wildcard host that is resolved from the connection's SNI. */
  readonly dynamic?: { readonly service: Service; readonly port: number } | undefined;
  /** Tunnel settings of the rule do not apply (AUTO_PASSTHROUGH). */
  readonly withoutTunnel?: boolean;
  /** All that its connections may reach is of the mesh, and speaks the mesh's mutual TLS where it speaks TLS. */
  readonly withinMesh?: boolean;
  /** The client is of the mesh and may tell who it is. */
  readonly exchangesMetadata?: boolean;
}

/** Whether connections of one client go to one endpoint, as the narrowest settings of the rule say. */
const sourceIpHash = (rule: DestinationRule['spec'] | undefined, subset: string, port: number | undefined): boolean =>
  balancersOf(rule, subset, port)[0]?.consistentHash?.useSourceIp ?? false;

const tunnel = (rule: DestinationRule['spec'] | undefined, subsetName: string): TcpProxy['tunneling_config'] => {
  const policy =
    subsetName === '' ? rule?.trafficPolicy : rule?.subsets?.find(s => s.name === subsetName)?.trafficPolicy;
  const settings = policy?.tunnel;
  if (!settings) return undefined;
  const host = settings.targetHost ?? '';
  return {
    hostname: `${host.includes(':') ? `[${host}]` : host}:${settings.targetPort ?? 0}`,
    use_post: settings.protocol === 'POST',
  };
};

const specOf = (rule: EffectiveDestinationRule | undefined): DestinationRule['spec'] | undefined => rule?.rule.spec;

/** The TCP proxy of a chain with what comes before it: RBAC, protocol filters (istio: buildOutboundNetworkFilters*). */
export function networkFilters(context: TcpContext, target: TcpTarget): readonly Filter[] {
  const { traits } = context;
  const rule = specOf(target.rule);
  const tcp = rule?.trafficPolicy?.connectionPool?.tcp;
  const [first, ...others] = target.clusters;
  const single = others.length === 0 && first?.weight === undefined;
  const proxy: TcpProxy = {
    stat_prefix: target.statPrefix,
    ...(single
      ? { cluster: first?.name ?? '' }
      : { weighted_clusters: { clusters: target.clusters.map(c => ({ name: c.name, weight: c.weight ?? 0 })) } }),
    idle_timeout: tcp?.idleTimeout ?? goDuration(traits.options['IDLE_TIMEOUT']),
    max_downstream_connection_duration: tcp?.maxConnectionDuration,
    hash_policy: sourceIpHash(rule, target.subset, target.port) ? [{ source_ip: {} }] : undefined,
    tunneling_config: target.withoutTunnel ? undefined : tunnel(rule, target.subset),
    access_log: context.accessLogs,
  };
  const tcpProxy: Filter = extension(TCP_PROXY, 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', proxy);
  return [
    ...(target.exchangesMetadata ? tcpMetadataExchange(traits.build) : []),
    ...context.customAuthorization,
    ...context.authorization,
    ...context.metrics,
    ...(target.dynamic ? sniForwardProxy(target.dynamic.service, target.dynamic.port, traits) : []),
    ...mongo(target, traits),
    ...(target.withinMesh ? plainTcp(traits) : []),
    tcpProxy,
  ];
}

const PLAIN_TCP: Filter = extension(
  'envoy.filters.network.set_filter_state',
  'envoy.extensions.filters.network.set_filter_state.v3.Config',
  {
    on_new_connection: [
      {
        object_key: 'envoy.network.application_protocols',
        format_string: { text_format_source: { inline_string: 'istio' } },
        shared_with_upstream: SharedWithUpstream.ONCE,
      },
    ],
  },
);

/** Has a stock Envoy offer what Istio's clients offer for TCP: its clusters speak of HTTP where the protocol of a port is not known. */
const plainTcp = ({ certificates, build }: Traits): readonly Filter[] =>
  certificates === 'ads' && hasExtension(build, PLAIN_TCP.name ?? '') ? [PLAIN_TCP] : [];

/** Whether connections to a destination are the mesh's, and no TLS that its rule says. */
export function isWithinMesh(
  service: Service | undefined,
  rule: EffectiveDestinationRule | undefined,
  subsetName: string,
  port: number,
): boolean {
  if (!service || service.meshExternal) return false;
  const { trafficPolicy, subsets } = specOf(rule) ?? {};
  const subset = subsets?.find(({ name }) => name === subsetName)?.trafficPolicy;
  const mode = subsetPolicy(portPolicy(trafficPolicy, port), subset, port)?.tls?.mode;
  return mode !== TlsMode.SIMPLE && mode !== TlsMode.MUTUAL;
}

/** Mongo is the one protocol whose statistics filter Istio adds by default. */
const mongo = ({ protocol, statPrefix }: TcpTarget, traits: Traits): readonly Filter[] =>
  protocol === 'Mongo' && hasExtension(traits.build, 'envoy.filters.network.mongo_proxy')
    ? [
        extension('envoy.filters.network.mongo_proxy', 'envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy', {
          stat_prefix: statPrefix,
        }),
      ]
    : [];

const sniForwardProxy = (service: Service, port: number, traits: Traits): readonly Filter[] =>
  hasExtension(traits.build, 'envoy.filters.network.sni_dynamic_forward_proxy')
    ? [
        extension(
          SNI_DYNAMIC_FORWARD_PROXY,
          'envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig',
          {
            dns_cache_config: dnsCache(service.hostname, traits),
            port_value: port,
          },
        ),
      ]
    : [];

/** The HTTP filter that resolves a wildcard host from the request's authority. */
export const httpForwardProxy = memo(
  (service: Service, traits: Traits): HttpFilter => forwardProxyFilter(dnsCache(service.hostname, traits)),
);

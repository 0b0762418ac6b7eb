/** Filters that only Istio's own build of Envoy has. A proxy gets them where its Node lists them, and nowhere else. */

import { memo } from '../../memo.ts';
import type { EnvoyBuild } from '../../model/proxy/traits.ts';
import { extension, typed } from '../../proto/any.ts';
import type { Filter } from '../../proto/generated/envoy/config/listener/v3.ts';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import { FilterConfig_Protocol as Upstream } from '../../proto/generated/istio/envoy/config/filter/http/alpn/v2alpha1.ts';
import type { PluginConfig } from '../../proto/generated/stats.ts';
import { struct } from '../../proto/wellknown.ts';
import type { Json } from '../../unknown.ts';

/** Whether the Node lists one of the names: an unlisted build counts as upstream Envoy. */
const lists = (build: EnvoyBuild, ...names: readonly string[]): boolean =>
  names.some(name => build.extensions?.includes(name) ?? false);

const METADATA_EXCHANGE = 'istio.metadata_exchange';

const asStruct = (type: string, config: { readonly [key: string]: Json }) =>
  typed('udpa.type.v1.TypedStruct', { type_url: `type.googleapis.com/${type}`, value: struct(config) });

const peerMetadata = (config: { readonly [key: string]: Json }): HttpFilter =>
  Object.freeze({ name: METADATA_EXCHANGE, typed_config: asStruct('io.istio.http.peer_metadata.Config', config) });

const DISCOVERY: Json = [{ istio_headers: {} }, { workload_discovery: {} }];

const INBOUND = peerMetadata({
  downstream_discovery: DISCOVERY,
  downstream_propagation: [{ istio_headers: {} }],
});

const OUTBOUND = peerMetadata({ upstream_discovery: DISCOVERY, upstream_propagation: [{ istio_headers: {} }] });

const OUTBOUND_IN_MESH = peerMetadata({
  upstream_discovery: DISCOVERY,
  upstream_propagation: [{ istio_headers: { skip_external_clusters: true } }],
});

/** The filter by which proxies tell each other who they are, over HTTP headers. */
export function httpMetadataExchange(
  build: EnvoyBuild,
  inbound: boolean,
  skipExternal: boolean,
): readonly HttpFilter[] {
  if (!lists(build, 'envoy.filters.http.peer_metadata')) return [];
  return [inbound ? INBOUND : skipExternal ? OUTBOUND_IN_MESH : OUTBOUND];
}

/** The filter by which proxies tell each other who they are, over TCP connections: in listeners, and in clusters to servers. */
export const TCP_METADATA_EXCHANGE = Object.freeze({
  name: METADATA_EXCHANGE,
  typed_config: asStruct('envoy.tcp.metadataexchange.config.MetadataExchange', {
    protocol: 'istio-peer-exchange',
    enable_discovery: true,
  }),
});

/** Whether a build exchanges metadata on TCP connections: servers then offer it as a protocol. */
export const exchangesTcpMetadata = (build: EnvoyBuild): boolean =>
  lists(build, METADATA_EXCHANGE, 'envoy.filters.network.metadata_exchange');

/** {@link TCP_METADATA_EXCHANGE} for a build that has it. */
export const tcpMetadataExchange = (build: EnvoyBuild): readonly Filter[] =>
  exchangesTcpMetadata(build) ? [TCP_METADATA_EXCHANGE] : [];

const ALPN: HttpFilter = extension('istio.alpn', 'istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig', {
  alpn_override: [
    { upstream_protocol: Upstream.HTTP10, alpn_override: ['istio-http/1.0', 'istio', 'http/1.0'] },
    { upstream_protocol: Upstream.HTTP11, alpn_override: ['istio-http/1.1', 'istio', 'http/1.1'] },
    { upstream_protocol: Upstream.HTTP2, alpn_override: ['istio-h2', 'istio', 'h2'] },
  ],
});

/** The filter that tells the server's sidecar which HTTP version it carries, by the ALPN of mutual TLS. */
export const alpn = (build: EnvoyBuild): readonly HttpFilter[] =>
  lists(build, 'istio.alpn', 'envoy.filters.http.alpn') ? [ALPN] : [];

const STATS = 'istio.stats';
const stats = (config: PluginConfig) => extension(STATS, 'stats.PluginConfig', config);

/** Istio's metrics of requests. */
export const httpStats = (build: EnvoyBuild, configs: readonly PluginConfig[]): readonly HttpFilter[] =>
  lists(build, 'envoy.filters.http.istio_stats') ? configs.map(stats) : [];

/** Istio's metrics of connections. */
export const tcpStats = memo((build: EnvoyBuild, configs: readonly PluginConfig[]): readonly Filter[] =>
  lists(build, 'envoy.filters.network.istio_stats') ? configs.map(stats) : [],
);

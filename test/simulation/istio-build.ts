import type { NamedProxy } from '../support/proxies.ts';

/** What Istio's own build of Envoy lists of the extensions that translations ask for; the first ones upstream's lacks. */
const extensions = [
  'istio.metadata_exchange',
  'istio.alpn',
  'envoy.filters.http.peer_metadata',
  'envoy.filters.http.istio_stats',
  'envoy.filters.network.istio_stats',
  'envoy.access_loggers.extension_filters.cel',
  'envoy.filters.http.cors',
  'envoy.filters.http.fault',
  'envoy.filters.http.grpc_stats',
  'envoy.filters.http.jwt_authn',
  'envoy.filters.http.lua',
  'envoy.filters.http.rbac',
  'envoy.filters.http.router',
  'envoy.filters.network.http_connection_manager',
  'envoy.filters.network.mongo_proxy',
  'envoy.filters.network.rbac',
  'envoy.filters.network.tcp_proxy',
  'envoy.tracers.opentelemetry',
  'envoy.tracers.zipkin',
];

/** A proxy with Istio's own build of Envoy: Istio's metrics and the exchange of metadata are filters that only it has. */
export const withIstioBuild = ({ name, json }: NamedProxy): NamedProxy => ({
  name,
  json: { ...json, extensions: extensions.map(extension => ({ name: extension })) },
});

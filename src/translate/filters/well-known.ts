/** Filters that never differ, made and encoded once. */

import { extension } from '../../proto/any.ts';
import type { Filter, ListenerFilter } from '../../proto/generated/envoy/config/listener/v3.ts';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import { bool, uint32 } from '../../proto/wellknown.ts';

export const HTTP_CONNECTION_MANAGER = 'envoy.filters.network.http_connection_manager';
export const TCP_PROXY = 'envoy.filters.network.tcp_proxy';
export const SNI_DYNAMIC_FORWARD_PROXY = 'envoy.extensions.filters.network.sni_dynamic_forward_proxy';
export const HTTP_RBAC = 'envoy.filters.http.rbac';
export const NETWORK_RBAC = 'envoy.filters.network.rbac';
export const JWT_AUTHN = 'envoy.filters.http.jwt_authn';

export const CORS: HttpFilter = extension('envoy.filters.http.cors', 'envoy.extensions.filters.http.cors.v3.Cors', {});

export const FAULT: HttpFilter = extension(
  'envoy.filters.http.fault',
  'envoy.extensions.filters.http.fault.v3.HTTPFault',
  {},
);

export const GRPC_STATS: HttpFilter = extension(
  'envoy.filters.http.grpc_stats',
  'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
  {
    emit_filter_state: true,
    stats_for_all_methods: bool(false),
  },
);

export const GRPC_WEB: HttpFilter = extension(
  'envoy.filters.http.grpc_web',
  'envoy.extensions.filters.http.grpc_web.v3.GrpcWeb',
  {},
);

export const ROUTER: HttpFilter = extension(
  'envoy.filters.http.router',
  'envoy.extensions.filters.http.router.v3.Router',
  {},
);

/** The router that sends no `x-envoy-*` headers (ProxyConfig.proxyHeaders.envoyDebugHeaders.disabled). */
export const QUIET_ROUTER: HttpFilter = extension(
  'envoy.filters.http.router',
  'envoy.extensions.filters.http.router.v3.Router',
  {
    suppress_envoy_headers: true,
  },
);

/** The first read of 512 bytes holds nearly every ClientHello; Envoy's own default is 64 KiB a connection. */
export const TLS_INSPECTOR: ListenerFilter = extension(
  'envoy.filters.listener.tls_inspector',
  'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
  {
    initial_read_buffer_size: uint32(512),
  },
);

export const HTTP_INSPECTOR: ListenerFilter = extension(
  'envoy.filters.listener.http_inspector',
  'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector',
  {},
);

export const ORIGINAL_DESTINATION: ListenerFilter = extension(
  'envoy.filters.listener.original_dst',
  'envoy.extensions.filters.listener.original_dst.v3.OriginalDst',
  {},
);

/** TPROXY keeps the client's address; 1337 is the mark that Istio's iptables rules let pass. */
export const ORIGINAL_SOURCE: ListenerFilter = extension(
  'envoy.filters.listener.original_src',
  'envoy.extensions.filters.listener.original_src.v3.OriginalSrc',
  {
    mark: 1337,
  },
);

export const PROXY_PROTOCOL: ListenerFilter = extension(
  'envoy.filters.listener.proxy_protocol',
  'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol',
  {},
);

/** A TCP proxy that only names a cluster. */
export const plainTcpProxy = (cluster: string): Filter =>
  extension(TCP_PROXY, 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: cluster, cluster });

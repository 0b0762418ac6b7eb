import type { MeshSettings } from '../../../istio/settings.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import { hasExtension } from '../../../model/proxy/traits.ts';
import { extension, typed } from '../../../proto/any.ts';
import type { AccessLog } from '../../../proto/generated/envoy/config/accesslog/v3.ts';
import type { HttpProtocolOptions } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { Filter } from '../../../proto/generated/envoy/config/listener/v3.ts';
import type { RouteConfiguration } from '../../../proto/generated/envoy/config/route/v3.ts';
import {
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  type HttpConnectionManager,
  type HttpFilter,
} from '../../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import {
  MeshConfig_ProxyPathNormalization_NormalizationType as Normalization,
  type ProxyConfig_ConnectionSettings,
} from '../../../proto/generated/istio/mesh/v1alpha1.ts';
import type { PluginConfig } from '../../../proto/generated/stats.ts';
import { bool, seconds, uint32 } from '../../../proto/wellknown.ts';
import { PRESERVE_CASE } from '../../clusters/http-options.ts';
import { OVER_ADS } from '../../clusters/sds.ts';
import { alpn, httpMetadataExchange, httpStats } from '../../filters/istio-build.ts';
import { orderedHttpFilters } from '../../filters/order.ts';
import {
  CORS,
  FAULT,
  GRPC_STATS,
  GRPC_WEB,
  HTTP_CONNECTION_MANAGER,
  QUIET_ROUTER,
  ROUTER,
} from '../../filters/well-known.ts';
import { connectionSettings, goDuration, type ListenerClass, proxyHeaders } from '../../proxy-config.ts';
import type { Tracing } from '../telemetry/tracing.ts';

/** What the connection managers of a proxy's listeners of one class have in common. Memoised: one value a class. */
export interface HttpContext {
  readonly mesh: MeshSettings;
  readonly traits: Traits;
  readonly listener: ListenerClass;
  readonly accessLogs: readonly AccessLog[];
  readonly tracing: Tracing;
  readonly customAuthorization: readonly HttpFilter[];
  readonly authentication: readonly HttpFilter[];
  readonly authorization: readonly HttpFilter[];
  /** The filter by which hosts that the mesh does not know are looked up, where its policy wants that. */
  readonly dynamicDns: HttpFilter | undefined;
  /** What Istio's metrics filter counts; for builds that have it. */
  readonly metrics: readonly PluginConfig[];
}

/** What one connection manager adds to its context. */
export interface HttpOptions {
  readonly statPrefix: string;
  /** The name of a route configuration, or the configuration itself. */
  readonly routes: string | RouteConfiguration;
  readonly grpcWeb?: boolean;
  readonly useRemoteAddress?: boolean;
  /** Fields that only this kind of listener sets; they win over the common ones. */
  readonly base?: Omit<HttpConnectionManager, 'rds' | 'route_config' | 'scoped_routes'>;
  readonly dynamicForwardProxy?: readonly HttpFilter[];
}

const REQUEST_ID = { true: requestIdExtension(true), false: requestIdExtension(false) };

function requestIdExtension(useForSampling: boolean) {
  return {
    typed_config: typed('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig', {
      use_request_id_for_trace_sampling: bool(useForSampling),
    }),
  };
}

type PathNormalization = Pick<
  HttpConnectionManager,
  'normalize_path' | 'merge_slashes' | 'path_with_escaped_slashes_action'
>;

function pathNormalization(mesh: MeshSettings): PathNormalization {
  const kind = mesh.config.pathNormalization?.normalization ?? Normalization.DEFAULT;
  const merge = kind === Normalization.MERGE_SLASHES || kind === Normalization.DECODE_AND_MERGE_SLASHES;
  return {
    normalize_path: bool(kind !== Normalization.NONE),
    merge_slashes: merge ? true : undefined,
    path_with_escaped_slashes_action:
      kind === Normalization.DECODE_AND_MERGE_SLASHES
        ? EscapedSlashes.UNESCAPE_AND_FORWARD
        : EscapedSlashes.KEEP_UNCHANGED,
  };
}

const positive = (v: { readonly value?: number | undefined } | undefined) =>
  v === undefined || (v.value ?? 0) < 0 ? undefined : uint32(v.value ?? 0);

const present = <T extends object>(object: T): T | undefined =>
  Object.values(object).some(v => v !== undefined) ? object : undefined;

/** The fields that ProxyConfig.connectionSettings sets (istio: applyConnectionSettingsToHCM). */
function fromConnectionSettings(
  settings: ProxyConfig_ConnectionSettings | undefined,
): Omit<HttpConnectionManager, 'rds' | 'route_config' | 'scoped_routes'> {
  if (!settings) return {};
  const http2 = {
    max_concurrent_streams: positive(settings.httpMaxConcurrentStreams),
    initial_stream_window_size: positive(settings.http2InitialStreamWindowSize),
    initial_connection_window_size: positive(settings.http2InitialConnectionWindowSize),
  };
  const slashes = settings.httpPathWithEscapedSlashesAction;
  const set = {
    stream_idle_timeout: settings.httpStreamIdleTimeout,
    request_timeout: settings.httpRequestTimeout,
    request_headers_timeout: settings.httpRequestHeadersTimeout,
    drain_timeout: settings.httpDrainTimeout,
    http2_protocol_options: present(http2),
    merge_slashes: settings.httpMergeSlashes && (settings.httpMergeSlashes.value ?? false),
    // Both enums count alike: KEEP_UNCHANGED is 1 in each.
    path_with_escaped_slashes_action: slashes ? slashes : undefined,
  };
  return Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined));
}

function commonHttpOptions(context: HttpContext): HttpProtocolOptions | undefined {
  const { mesh, traits } = context;
  const settings = connectionSettings(mesh, traits);
  const underscores = settings?.httpHeadersWithUnderscoresAction;
  return present({
    idle_timeout: settings?.httpIdleTimeout ?? goDuration(traits.options['IDLE_TIMEOUT']),
    max_connection_duration: settings?.httpMaxConnectionDuration,
    max_stream_duration: settings?.httpMaxStreamDuration,
    // Istio's values are Envoy's, shifted by one for "not set".
    headers_with_underscores_action: underscores === 3 ? 2 : underscores === 2 ? 1 : underscores === 1 ? 0 : undefined,
  });
}

function httpFilters(context: HttpContext, options: HttpOptions): readonly HttpFilter[] {
  const headers = proxyHeaders(context.mesh, context.traits, context.listener);
  const inbound = context.listener === 'inbound';
  const { build } = context.traits;
  const had = (f: HttpFilter) => (hasExtension(build, f.name ?? '') ? [f] : []);
  return orderedHttpFilters({
    metadataExchange: httpMetadataExchange(build, inbound, headers.skipMetadataExchange),
    // A build that lacks a filter that guards must refuse the listener, not open it.
    customAuthorization: context.customAuthorization,
    authentication: context.authentication,
    authorization: context.authorization,
    grpcWeb: options.grpcWeb ? had(GRPC_WEB) : [],
    grpcStats: had(GRPC_STATS),
    alpn: inbound ? [] : alpn(build),
    fault: had(FAULT),
    cors: had(CORS),
    stats: httpStats(build, context.metrics),
    dynamicForwardProxy: [
      ...(options.dynamicForwardProxy ?? []),
      ...(context.dynamicDns ? [context.dynamicDns] : []),
    ].flatMap(had),
    router: headers.suppressDebugHeaders ? QUIET_ROUTER : ROUTER,
  });
}

/** A connection manager with Istio's defaults (istio: buildHTTPConnectionManager). */
function httpConnectionManager(context: HttpContext, options: HttpOptions): HttpConnectionManager {
  const { mesh, traits } = context;
  const headers = proxyHeaders(mesh, traits, context.listener);
  const { base = {}, routes } = options;
  const http1 = {
    ...base.http_protocol_options,
    ...(traits.options['HTTP10'] === '1' ? { accept_http_10: true } : {}),
    ...(headers.preserveCase ? PRESERVE_CASE : {}),
  };
  return {
    server_name: headers.serverName,
    server_header_transformation: headers.serverHeader,
    generate_request_id: headers.generateRequestId,
    append_x_forwarded_port: headers.appendForwardedPort ? true : undefined,
    ...base,
    ...pathNormalization(mesh),
    stream_idle_timeout: seconds(0),
    ...fromConnectionSettings(connectionSettings(mesh, traits)),
    common_http_protocol_options: commonHttpOptions(context),
    http_protocol_options: base.http_protocol_options ? http1 : present(http1),
    stat_prefix: options.statPrefix,
    use_remote_address: bool(options.useRemoteAddress ?? false),
    proxy_100_continue: true,
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    access_log: context.accessLogs,
    tracing: context.tracing.tracing,
    http_filters: httpFilters(context, options),
    request_id_extension: context.tracing.useRequestId ? REQUEST_ID.true : REQUEST_ID.false,
    ...(typeof routes === 'string'
      ? {
          rds: { route_config_name: routes, config_source: OVER_ADS },
        }
      : { route_config: routes }),
  };
}

/** The connection manager as a network filter, encoded. */
export const httpConnectionManagerFilter = (context: HttpContext, options: HttpOptions): Filter =>
  extension(
    HTTP_CONNECTION_MANAGER,
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    httpConnectionManager(context, options),
  );

import type { MeshSettings } from '../../../istio/settings.ts';
import { typed } from '../../../proto/any.ts';
import type { AccessLog } from '../../../proto/generated/envoy/config/accesslog/v3.ts';
import { ApiVersion } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { CommonGrpcAccessLogConfig } from '../../../proto/generated/envoy/extensions/access_loggers/grpc/v3.ts';
import type { MeshConfig_ExtensionProvider } from '../../../proto/generated/istio/mesh/v1alpha1.ts';
import { type ProviderCluster, type ProviderHosts, providerCluster } from '../../provider-cluster.ts';
import {
  fileAccessLog,
  formatters,
  meshFileAccessLog,
  structFormat,
  TEXT_LOG_FORMAT,
  textFormat,
} from './access-log-format.ts';

const PEER_STATE = ['upstream_peer', 'downstream_peer'];
const PEER_AND_WASM_STATE = [
  ...PEER_STATE,
  'wasm.upstream_peer',
  'wasm.upstream_peer_id',
  'wasm.downstream_peer',
  'wasm.downstream_peer_id',
];

const HTTP_GRPC = 'envoy.access_loggers.http_grpc';
const TCP_GRPC = 'envoy.tcp_grpc_access_log';

const common = (
  logName: string,
  service: ProviderCluster | string,
  state: readonly string[],
): CommonGrpcAccessLogConfig => ({
  log_name: logName,
  grpc_service: {
    envoy_grpc:
      typeof service === 'string'
        ? { cluster_name: service }
        : { cluster_name: service.cluster, authority: service.hostname },
  },
  transport_api_version: ApiVersion.V3,
  filter_state_objects_to_log: state,
});

/** The access log service of the bootstrap (MeshConfig.enableEnvoyAccessLogService). */
export function grpcAccessLog(kind: 'http' | 'tcp' | 'listener'): AccessLog {
  const config = common(`${kind}_envoy_accesslog`, 'envoy_accesslog_service', PEER_AND_WASM_STATE);
  return kind === 'http'
    ? {
        name: HTTP_GRPC,
        typed_config: typed('envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig', {
          common_config: config,
        }),
      }
    : {
        name: TCP_GRPC,
        typed_config: typed('envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig', {
          common_config: config,
        }),
      };
}

const orDefault = (list: readonly string[] | undefined, otherwise: readonly string[]): readonly string[] =>
  list && list.length > 0 ? list : otherwise;

/** The access log of an extension provider; undefined where it is no log or its service is not known (istio: telemetryAccessLog). */
export function providerAccessLog(
  mesh: MeshSettings,
  provider: MeshConfig_ExtensionProvider,
  hosts: ProviderHosts,
): AccessLog | undefined {
  if (provider.envoyFileAccessLog) {
    const { path, logFormat, omitEmptyValues = false } = provider.envoyFileAccessLog;
    if (provider.name === 'envoy' && !logFormat && !omitEmptyValues)
      return meshFileAccessLog(mesh, path || '/dev/stdout');
    const format = logFormat?.labels
      ? structFormat(logFormat.labels, omitEmptyValues)
      : textFormat(logFormat?.text ?? '', omitEmptyValues);
    return fileAccessLog(path || '/dev/stdout', format);
  }
  if (provider.envoyHttpAls) {
    const p = provider.envoyHttpAls;
    const service = providerCluster(hosts, p.service, p.port);
    return (
      service && {
        name: HTTP_GRPC,
        typed_config: typed('envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig', {
          common_config: common(
            p.logName || 'http_envoy_accesslog',
            service,
            orDefault(p.filterStateObjectsToLog, PEER_STATE),
          ),
          additional_request_headers_to_log: p.additionalRequestHeadersToLog,
          additional_response_headers_to_log: p.additionalResponseHeadersToLog,
          additional_response_trailers_to_log: p.additionalResponseTrailersToLog,
        }),
      }
    );
  }
  if (provider.envoyTcpAls) {
    const p = provider.envoyTcpAls;
    const service = providerCluster(hosts, p.service, p.port);
    return (
      service && {
        name: TCP_GRPC,
        typed_config: typed('envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig', {
          common_config: common(
            p.logName || 'tcp_envoy_accesslog',
            service,
            orDefault(p.filterStateObjectsToLog, PEER_STATE),
          ),
        }),
      }
    );
  }
  if (provider.envoyOtelAls) {
    const p = provider.envoyOtelAls;
    const service = providerCluster(hosts, p.service, p.port);
    const body = p.logFormat?.text || TEXT_LOG_FORMAT;
    const labels = p.logFormat?.labels;
    const attributes = Object.entries(labels?.fields ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    return (
      service && {
        name: 'envoy.access_loggers.open_telemetry',
        typed_config: typed('envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig', {
          common_config: common(p.logName || 'otel_envoy_accesslog', service, PEER_AND_WASM_STATE),
          disable_builtin_labels: true,
          body: { string_value: body },
          attributes:
            attributes.length > 0
              ? { values: attributes.map(([key, v]) => ({ key, value: { string_value: v.string_value ?? '' } })) }
              : undefined,
          formatters: formatters(body, labels),
        }),
      }
    );
  }
  return undefined;
}

import { byKey } from '../../../istio/object.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { extension } from '../../../proto/any.ts';
import type { AccessLog } from '../../../proto/generated/envoy/config/accesslog/v3.ts';
import { ApiVersion } from '../../../proto/generated/envoy/config/core/v3.ts';
import type {
  CommonGrpcAccessLogConfig,
  HttpGrpcAccessLogConfig,
} from '../../../proto/generated/envoy/extensions/access_loggers/grpc/v3.ts';
import type {
  MeshConfig_ExtensionProvider,
  MeshConfig_ExtensionProvider_EnvoyFileAccessLogProvider,
  MeshConfig_ExtensionProvider_EnvoyOpenTelemetryLogProvider,
} from '../../../proto/generated/istio/mesh/v1alpha1.ts';
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

const httpGrpcLog = (config: HttpGrpcAccessLogConfig): AccessLog =>
  extension(
    'envoy.access_loggers.http_grpc',
    'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
    config,
  );

const tcpGrpcLog = (common_config: CommonGrpcAccessLogConfig): AccessLog =>
  extension('envoy.tcp_grpc_access_log', 'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig', {
    common_config,
  });

/** The access log service of the bootstrap (MeshConfig.enableEnvoyAccessLogService). */
export function grpcAccessLog(kind: 'http' | 'tcp' | 'listener'): AccessLog {
  const config = common(`${kind}_envoy_accesslog`, 'envoy_accesslog_service', PEER_AND_WASM_STATE);
  return kind === 'http' ? httpGrpcLog({ common_config: config }) : tcpGrpcLog(config);
}

const orDefault = (list: readonly string[] | undefined, otherwise: readonly string[]): readonly string[] =>
  list && list.length > 0 ? list : otherwise;

/** The access log of an extension provider; undefined where it is no log or its service is not known (istio: telemetryAccessLog). */
export function providerAccessLog(
  mesh: MeshSettings,
  provider: MeshConfig_ExtensionProvider,
  hosts: ProviderHosts,
): AccessLog | undefined {
  const { envoyFileAccessLog: file, envoyHttpAls: http, envoyTcpAls: tcp, envoyOtelAls: otel } = provider;
  if (file) return providerFileLog(mesh, provider.name, file);
  const of = http ?? tcp ?? otel;
  const service = of && providerCluster(hosts, of.service, of.port);
  if (!service) return undefined;
  if (http)
    return httpGrpcLog({
      common_config: common(
        http.logName || 'http_envoy_accesslog',
        service,
        orDefault(http.filterStateObjectsToLog, PEER_STATE),
      ),
      additional_request_headers_to_log: http.additionalRequestHeadersToLog,
      additional_response_headers_to_log: http.additionalResponseHeadersToLog,
      additional_response_trailers_to_log: http.additionalResponseTrailersToLog,
    });
  if (tcp) {
    const state = orDefault(tcp.filterStateObjectsToLog, PEER_STATE);
    return tcpGrpcLog(common(tcp.logName || 'tcp_envoy_accesslog', service, state));
  }
  return otel && openTelemetryLog(otel, service);
}

function providerFileLog(
  mesh: MeshSettings,
  name: string | undefined,
  provider: MeshConfig_ExtensionProvider_EnvoyFileAccessLogProvider,
): AccessLog {
  const { path, logFormat, omitEmptyValues = false } = provider;
  if (name === 'envoy' && !logFormat && !omitEmptyValues) return meshFileAccessLog(mesh, path || '/dev/stdout');
  const format = logFormat?.labels
    ? structFormat(logFormat.labels, omitEmptyValues)
    : textFormat(logFormat?.text ?? '', omitEmptyValues);
  return fileAccessLog(path || '/dev/stdout', format);
}

function openTelemetryLog(
  { logName, logFormat }: MeshConfig_ExtensionProvider_EnvoyOpenTelemetryLogProvider,
  service: ProviderCluster,
): AccessLog {
  const body = logFormat?.text || TEXT_LOG_FORMAT;
  const labels = logFormat?.labels;
  const attributes = Object.entries(labels?.fields ?? {}).sort(byKey);
  return extension(
    'envoy.access_loggers.open_telemetry',
    'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig',
    {
      common_config: common(logName || 'otel_envoy_accesslog', service, PEER_AND_WASM_STATE),
      disable_builtin_labels: true,
      body: { string_value: body },
      attributes:
        attributes.length > 0
          ? { values: attributes.map(([key, v]) => ({ key, value: { string_value: v.string_value ?? '' } })) }
          : undefined,
      formatters: formatters(body, labels),
    },
  );
}

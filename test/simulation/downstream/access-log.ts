import { typeName, unpackAs } from '../../../src/proto/any.ts';
import type {
  AccessLogFilter,
  AccessLog as EnvoyAccessLog,
} from '../../../src/proto/generated/envoy/config/accesslog/v3.ts';
import type { SubstitutionFormatString } from '../../../src/proto/generated/envoy/config/core/v3.ts';
import type { CommonGrpcAccessLogConfig } from '../../../src/proto/generated/envoy/extensions/access_loggers/grpc/v3.ts';
import type { Any } from '../../../src/proto/generated/google/protobuf.ts';
import { fromStruct } from '../../../src/proto/wellknown.ts';
import type { Json } from '../../../src/unknown.ts';
import type { Outcome } from '../call.ts';

/** Where a line about a call is written, and what it says. */
export interface AccessLog {
  /** A file, or the cluster of a service. */
  readonly to: string;
  /** The text of a line, or the members of a JSON object. */
  readonly format?: Json;
  /** What a service is told beside Envoy's own: the log's name, headers, and filter state. */
  readonly name?: string;
  readonly headers?: readonly string[];
  readonly state?: readonly string[];
  /** The condition, in CEL; a line for every call where absent. */
  readonly when?: string;
}

const FILE = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';
const HTTP_GRPC = 'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig';
const TCP_GRPC = 'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig';
const OTEL = 'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig';
const CEL = 'envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter';

function formatOf(format: SubstitutionFormatString | undefined): Json | undefined {
  if (format?.json_format) return fromStruct(format.json_format);
  return format?.text_format_source?.inline_string ?? format?.text_format;
}

const service = (common: CommonGrpcAccessLogConfig | undefined): AccessLog => ({
  to: common?.grpc_service?.envoy_grpc?.cluster_name ?? '',
  name: common?.log_name ?? '',
  ...(common?.filter_state_objects_to_log && { state: common.filter_state_objects_to_log }),
});

function written(any: Any): AccessLog {
  switch (typeName(any.type_url ?? '')) {
    case FILE: {
      const { path = '', log_format } = unpackAs(FILE, any);
      const format = formatOf(log_format);
      return { to: path, ...(format !== undefined && { format }) };
    }
    case HTTP_GRPC: {
      const { common_config, additional_request_headers_to_log: headers } = unpackAs(HTTP_GRPC, any);
      return { ...service(common_config), ...(headers?.length && { headers }) };
    }
    case TCP_GRPC:
      return service(unpackAs(TCP_GRPC, any).common_config);
    case OTEL: {
      const { common_config, attributes } = unpackAs(OTEL, any);
      const labels = (attributes?.values ?? []).map((v): [string, string] => [
        v.key ?? '',
        v.value?.string_value ?? '',
      ]);
      return { ...service(common_config), ...(labels.length > 0 && { format: Object.fromEntries(labels) }) };
    }
    default:
      throw new Error(`an unknown access log ${any.type_url}`);
  }
}

/** The CEL expressions of a filter; its other conditions are about what became of a call, and are not looked at. */
function expressions(filter: AccessLogFilter | undefined): readonly string[] {
  const any = filter?.extension_filter?.typed_config;
  if (any && typeName(any.type_url ?? '') === CEL) return [unpackAs(CEL, any).expression ?? ''];
  return (filter?.and_filter?.filters ?? []).flatMap(expressions);
}

/** What access logs say of a call, in their order. */
export const accessLogsOf = (logs: readonly EnvoyAccessLog[] = []): readonly AccessLog[] =>
  logs.flatMap(({ typed_config: any, filter }) => {
    const when = expressions(filter).join(' && ');
    return any ? [{ ...written(any), ...(when && { when }) }] : [];
  });

/** Them in an outcome. */
export const logged = (accessLogs: readonly AccessLog[]): Outcome => (accessLogs.length > 0 ? { accessLogs } : {});

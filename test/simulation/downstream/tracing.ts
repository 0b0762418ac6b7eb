import { typeName, unpackAs } from '../../../src/proto/any.ts';
import type { GrpcService, HttpService } from '../../../src/proto/generated/envoy/config/core/v3.ts';
import type { Tracing_Http } from '../../../src/proto/generated/envoy/config/trace/v3.ts';
import type { HttpConnectionManager } from '../../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { CustomTag } from '../../../src/proto/generated/envoy/type/tracing/v3.ts';

/** Spans of a call. */
export interface Tracing {
  /** Envoy's name of the tracer, and the cluster that collects its spans; absent where the tracer is the bootstrap's. */
  readonly tracer?: string;
  readonly to?: string;
  /** Where the collector takes HTTP: its URI, and the headers that it wants. */
  readonly uri?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Zipkin: traces have ids of 128 bits. */
  readonly longIds?: boolean;
  /** Names of what finds out about the process. */
  readonly detectors?: readonly string[];
  /** Percent of the calls that begin a trace. */
  readonly sampling: number;
  /** Calls with the same request id are sampled together. */
  readonly byRequestId: boolean;
  readonly maxPathTagLength?: number;
  /** A text, or where it comes from: `header x-h or d`, `environment HOME or none`. */
  readonly tags: Readonly<Record<string, string>>;
}

const ZIPKIN = 'envoy.config.trace.v3.ZipkinConfig';
const OTEL = 'envoy.config.trace.v3.OpenTelemetryConfig';
const UUID = 'envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig';

type Collector = Pick<Tracing, 'to' | 'uri' | 'headers'>;

function overHttp({ http_uri, request_headers_to_add: added }: HttpService): Collector {
  const headers = (added ?? []).map(({ header }) => [header?.key ?? '', header?.value ?? '']);
  return {
    to: http_uri?.cluster ?? '',
    uri: http_uri?.uri ?? '',
    ...(headers.length > 0 && { headers: Object.fromEntries(headers) }),
  };
}

const overGrpc = (grpc: GrpcService): Collector => ({ to: grpc.envoy_grpc?.cluster_name ?? '' });

function tracerOf({ name = '', typed_config: any }: Tracing_Http): Partial<Tracing> {
  switch (typeName(any?.type_url ?? '')) {
    case ZIPKIN: {
      const zipkin = any && unpackAs(ZIPKIN, any);
      const collector = zipkin?.collector_service
        ? overHttp(zipkin.collector_service)
        : { to: zipkin?.collector_cluster ?? '', uri: zipkin?.collector_endpoint ?? '' };
      return { tracer: name, ...collector, longIds: zipkin?.trace_id_128bit ?? false };
    }
    case OTEL: {
      const otel = any && unpackAs(OTEL, any);
      const detectors = (otel?.resource_detectors ?? []).map(d => d.name ?? '');
      return {
        tracer: name,
        ...(otel?.http_service && overHttp(otel.http_service)),
        ...(otel?.grpc_service && overGrpc(otel.grpc_service)),
        ...(detectors.length > 0 && { detectors }),
      };
    }
    default:
      return { tracer: name };
  }
}

const alternative = (otherwise: string | undefined): string => (otherwise ? ` or ${otherwise}` : '');

function valueOf(tag: CustomTag): string {
  if (tag.literal) return tag.literal.value ?? '';
  if (tag.request_header) return `header ${tag.request_header.name}${alternative(tag.request_header.default_value)}`;
  if (tag.environment) return `environment ${tag.environment.name}${alternative(tag.environment.default_value)}`;
  if (tag.metadata) return `metadata ${(tag.metadata.metadata_key?.path ?? []).map(p => p.key ?? '').join('.')}`;
  return '';
}

/** The tracing of a connection manager; undefined where no span is reported. */
export function tracingOf(manager: HttpConnectionManager): Tracing | undefined {
  const { tracing, request_id_extension } = manager;
  if (!tracing) return undefined;
  const id = request_id_extension?.typed_config;
  const sampled = id && unpackAs(UUID, id).use_request_id_for_trace_sampling;
  return {
    ...(tracing.provider && tracerOf(tracing.provider)),
    sampling: tracing.random_sampling ? (tracing.random_sampling.value ?? 0) : 100,
    byRequestId: sampled ? (sampled.value ?? false) : true,
    ...(tracing.max_path_tag_length && { maxPathTagLength: tracing.max_path_tag_length.value ?? 0 }),
    tags: Object.fromEntries((tracing.custom_tags ?? []).map(tag => [tag.tag ?? '', valueOf(tag)])),
  };
}

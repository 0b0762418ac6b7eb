import type { Traits } from '../../../model/proxy/traits.ts';
import { extension, typed } from '../../../proto/any.ts';
import type {
  HeaderValueOption,
  HttpService,
  TypedExtensionConfig,
} from '../../../proto/generated/envoy/config/core/v3.ts';
import { HeaderValueOption_HeaderAppendAction } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { Tracing_Http } from '../../../proto/generated/envoy/config/trace/v3.ts';
import {
  ZipkinConfig_CollectorEndpointVersion,
  ZipkinConfig_TraceContextOption,
} from '../../../proto/generated/envoy/config/trace/v3.ts';
import type {
  MeshConfig_ExtensionProvider,
  MeshConfig_ExtensionProvider_HttpHeader,
  MeshConfig_ExtensionProvider_OpenTelemetryTracingProvider,
  MeshConfig_ExtensionProvider_ZipkinTracingProvider,
} from '../../../proto/generated/istio/mesh/v1alpha1.ts';
import { MeshConfig_ExtensionProvider_ServiceAttributeEnrichment as Enrichment } from '../../../proto/generated/istio/mesh/v1alpha1.ts';
import { bool, seconds } from '../../../proto/wellknown.ts';
import { type ProviderCluster, type ProviderHosts, providerCluster } from '../../provider-cluster.ts';
import { speaks } from './proxy-version.ts';
import type { SpanIdentity } from './span-identity.ts';

/** A tracer as the connection manager takes it. */
export interface TracingProvider {
  readonly http: Tracing_Http;
  readonly spawnUpstreamSpan: boolean;
  readonly maxTagLength: number;
  /** The tracer samples by itself, so that every span has to reach it. */
  readonly customSampler: boolean;
}

/** Headers whose value comes from istiod's environment (envName) have none here. */
const headerValue = (h: MeshConfig_ExtensionProvider_HttpHeader): string => h.value ?? '';

const headers = (list: readonly MeshConfig_ExtensionProvider_HttpHeader[] | undefined): readonly HeaderValueOption[] =>
  (list ?? []).map(h => ({
    append_action: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    header: { key: h.name, value: headerValue(h) },
  }));

/** Go's url.JoinPath of a host and a path. */
const joined = (host: string, path: string): string =>
  `${host}/${path.replace(/^\/+/, '')}`.replace(/(?<=.)\/+$/, path.endsWith('/') ? '/' : '');

function zipkin(
  provider: MeshConfig_ExtensionProvider_ZipkinTracingProvider,
  service: ProviderCluster,
  traits: Traits,
): Tracing_Http {
  const path = provider.path || '/api/v2/spans';
  const collector = speaks(traits, [1, 29], [1, 37])
    ? {
        collector_service: {
          http_uri: {
            uri: `http://${service.hostname}${path}`,
            cluster: service.cluster,
            timeout: provider.timeout ?? seconds(5),
          },
          request_headers_to_add: headers(provider.headers),
        },
      }
    : { collector_cluster: service.cluster, collector_endpoint: path, collector_hostname: service.hostname };
  const w3c = provider.traceContextOption === 1 && speaks(traits, [1, 28], [1, 36]);
  return extension('envoy.tracers.zipkin', 'envoy.config.trace.v3.ZipkinConfig', {
    ...collector,
    collector_endpoint_version: ZipkinConfig_CollectorEndpointVersion.HTTP_JSON,
    trace_id_128bit: !(provider.enable64bitTraceId ?? false),
    shared_span_context: bool(false),
    trace_context_option: w3c ? ZipkinConfig_TraceContextOption.USE_B3_WITH_W3C_PROPAGATION : undefined,
  });
}

const ENVIRONMENT_DETECTOR: TypedExtensionConfig = extension(
  'envoy.tracers.opentelemetry.resource_detectors.environment',
  'envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig',
  {},
);

const DYNATRACE_DETECTOR: TypedExtensionConfig = extension(
  'envoy.tracers.opentelemetry.resource_detectors.dynatrace',
  'envoy.extensions.tracers.opentelemetry.resource_detectors.v3.DynatraceResourceDetectorConfig',
  {},
);

function dynatraceSampler(
  provider: MeshConfig_ExtensionProvider_OpenTelemetryTracingProvider,
  service: ProviderCluster,
  hosts: ProviderHosts,
): TypedExtensionConfig | undefined {
  const sampler = provider.dynatraceSampler;
  const own = sampler?.httpService;
  const at = own ? providerCluster(hosts, own.service, own.port) : service;
  const http = own ? own.http : provider.http;
  if (!sampler || !at || !http) return undefined;
  const api: HttpService = {
    http_uri: {
      uri: joined(at.hostname, own ? (http.path ?? '') : 'api/v2/samplingConfiguration'),
      cluster: at.cluster,
      timeout: http.timeout,
    },
    request_headers_to_add: headers(http.headers),
  };
  return extension(
    'envoy.tracers.opentelemetry.samplers.dynatrace',
    'envoy.extensions.tracers.opentelemetry.samplers.v3.DynatraceSamplerConfig',
    {
      tenant: sampler.tenant,
      cluster_id: sampler.clusterId,
      root_spans_per_minute: sampler.rootSpansPerMinute,
      http_service: api,
    },
  );
}

function openTelemetry(
  provider: MeshConfig_ExtensionProvider_OpenTelemetryTracingProvider,
  service: ProviderCluster,
  hosts: ProviderHosts,
  identity: SpanIdentity,
): Tracing_Http | undefined {
  const semantic = provider.serviceAttributeEnrichment === Enrichment.OTEL_SEMANTIC_CONVENTIONS;
  const detectors = [
    ...(provider.resourceDetectors?.environment ? [ENVIRONMENT_DETECTOR] : []),
    ...(provider.resourceDetectors?.dynatrace ? [DYNATRACE_DETECTOR] : []),
  ];
  if (semantic && !detectors.includes(ENVIRONMENT_DETECTOR)) detectors.push(ENVIRONMENT_DETECTOR);
  const sampler = provider.dynatraceSampler ? dynatraceSampler(provider, service, hosts) : undefined;
  if (provider.dynatraceSampler && !sampler) return undefined;
  const exporter = provider.http
    ? {
        http_service: {
          http_uri: {
            uri: joined(service.hostname, provider.http.path ?? ''),
            cluster: service.cluster,
            timeout: provider.http.timeout,
          },
          request_headers_to_add: headers(provider.http.headers),
        },
      }
    : {
        grpc_service: {
          envoy_grpc: { cluster_name: service.cluster, authority: service.hostname },
          timeout: provider.grpc?.timeout,
          initial_metadata: provider.grpc?.initialMetadata?.map(h => ({ key: h.name, value: headerValue(h) })),
        },
      };
  return extension('envoy.tracers.opentelemetry', 'envoy.config.trace.v3.OpenTelemetryConfig', {
    ...exporter,
    service_name: semantic ? identity.otelService : identity.serviceCluster,
    resource_detectors: detectors,
    sampler,
  });
}

/** The tracer of an extension provider; undefined where it is none or its service is not known (istio: configureFromProviderConfig). */
export function tracingProvider(
  provider: MeshConfig_ExtensionProvider,
  hosts: ProviderHosts,
  traits: Traits,
  identity: SpanIdentity,
): TracingProvider | undefined {
  const { zipkin: z, datadog, skywalking, opentelemetry } = provider;
  const spec = z ?? datadog ?? skywalking ?? opentelemetry;
  const service = providerCluster(hosts, spec?.service, spec?.port);
  if (!service) return undefined;
  const tracer = (http: Tracing_Http, maxTagLength: number | undefined, child = false): TracingProvider => ({
    http,
    maxTagLength: maxTagLength ?? 0,
    spawnUpstreamSpan: child || traits.type === 'router',
    customSampler: opentelemetry?.dynatraceSampler !== undefined,
  });
  if (z) return tracer(zipkin(z, service, traits), z.maxTagLength);
  if (datadog) {
    const config = typed('envoy.config.trace.v3.DatadogConfig', {
      collector_cluster: service.cluster,
      service_name: identity.serviceCluster,
      collector_hostname: service.hostname,
    });
    return tracer({ name: 'envoy.tracers.datadog', typed_config: config }, datadog.maxTagLength);
  }
  if (skywalking) {
    const config = typed('envoy.config.trace.v3.SkyWalkingConfig', {
      grpc_service: { envoy_grpc: { cluster_name: service.cluster, authority: service.hostname } },
    });
    return tracer({ name: 'envoy.tracers.skywalking', typed_config: config }, 0, true);
  }
  const http = opentelemetry && openTelemetry(opentelemetry, service, hosts, identity);
  return http && tracer(http, opentelemetry.maxTagLength);
}

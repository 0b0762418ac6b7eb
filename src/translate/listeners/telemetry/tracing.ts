import type { Telemetry } from '../../../istio/config.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { memo } from '../../../memo.ts';
import { hasExtension, type Traits } from '../../../model/proxy/traits.ts';
import type { HttpConnectionManager_Tracing } from '../../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { CustomTag } from '../../../proto/generated/envoy/type/tracing/v3.ts';
import type { ProxyConfig, Tracing_CustomTag as ProxyConfigTag } from '../../../proto/generated/istio/mesh/v1alpha1.ts';
import type { Tracing_CustomTag } from '../../../proto/generated/istio/telemetry/v1alpha1.ts';
import { bool, uint32 } from '../../../proto/wellknown.ts';
import type { ProviderHosts } from '../../provider-cluster.ts';
import { type ListenerClass, proxyConfigOf } from '../../proxy-config.ts';
import { speaks } from './proxy-version.ts';
import type { SpanIdentity } from './span-identity.ts';
import { type TracingSpec, tracingSpec } from './telemetry.ts';
import { tracingProvider } from './tracing-provider.ts';

/** The connection manager's tracing, and whether request ids decide about sampling. */
export interface Tracing {
  readonly tracing: HttpConnectionManager_Tracing | undefined;
  readonly useRequestId: boolean;
}

const NONE: Tracing = { tracing: undefined, useRequestId: true };

/** The default of PILOT_TRACE_SAMPLING. */
const DEFAULT_SAMPLING = 1;

function proxyConfigSampling(config: ProxyConfig): number {
  const sampling = config.tracing?.sampling ?? 0;
  if (sampling === 0) return DEFAULT_SAMPLING;
  return sampling > 100 ? 1 : sampling;
}

const sampled = (percent: number) => ({
  client_sampling: { value: 100 },
  random_sampling: { value: percent },
  overall_sampling: { value: 100 },
});

const literal = (tag: string, value: string): CustomTag => ({ tag, literal: { value } });

const dryRunTag = (tag: string, key: string): CustomTag => ({
  tag,
  metadata: { kind: { request: {} }, metadata_key: { key: 'envoy.filters.http.rbac', path: [{ key }] } },
});

const DRY_RUN_TAGS: readonly CustomTag[] = [
  dryRunTag('istio.authorization.dry_run.allow_policy.name', 'istio_dry_run_allow_shadow_effective_policy_id'),
  dryRunTag('istio.authorization.dry_run.allow_policy.result', 'istio_dry_run_allow_shadow_engine_result'),
  dryRunTag('istio.authorization.dry_run.deny_policy.name', 'istio_dry_run_deny_shadow_effective_policy_id'),
  dryRunTag('istio.authorization.dry_run.deny_policy.result', 'istio_dry_run_deny_shadow_engine_result'),
];

const istioTags = (traits: Traits, identity: SpanIdentity): readonly CustomTag[] => [
  literal('istio.canonical_revision', identity.canonicalRevision),
  literal('istio.canonical_service', identity.canonicalService),
  literal('istio.mesh_id', traits.meshId || 'unknown'),
  literal('istio.namespace', identity.namespace),
  literal('istio.cluster_id', traits.clusterId || 'unknown'),
  ...DRY_RUN_TAGS,
];

function customTag(tag: string, spec: Tracing_CustomTag | ProxyConfigTag, formatters: boolean): CustomTag[] {
  if (spec.literal) return [{ tag, literal: { value: spec.literal.value } }];
  if (spec.environment) {
    return [{ tag, environment: { name: spec.environment.name, default_value: spec.environment.defaultValue } }];
  }
  if (spec.header)
    return [{ tag, request_header: { name: spec.header.name, default_value: spec.header.defaultValue } }];
  if ('formatter' in spec && spec.formatter) return formatters ? [{ tag, value: spec.formatter.value }] : [];
  return 'formatter' in spec ? [{ tag }] : [];
}

function customTags(
  spec: TracingSpec | undefined,
  config: ProxyConfig,
  traits: Traits,
  identity: SpanIdentity,
): readonly CustomTag[] | undefined {
  const own = spec ? spec.istioTags : (config.tracing?.enableIstioTags?.value ?? true);
  const asked = spec && Object.keys(spec.customTags).length > 0 ? spec.customTags : (config.tracing?.customTags ?? {});
  const formatters = speaks(traits, [1, 29], [1, 37]);
  const tags = [
    ...(own ? istioTags(traits, identity) : []),
    ...Object.entries(asked).flatMap(([name, tag]) => customTag(name, tag, formatters)),
  ];
  return tags.sort((a, b) => ((a.tag ?? '') < (b.tag ?? '') ? -1 : 1));
}

/** Tracing of a class of listeners (istio: configureTracing): what Telemetry says, else MeshConfig.enableTracing and ProxyConfig.tracing. */
export const tracingOf = memo(
  (
    mesh: MeshSettings,
    telemetries: readonly Telemetry[],
    hosts: ProviderHosts,
    traits: Traits,
    identity: SpanIdentity,
    listener: ListenerClass,
  ): Tracing => {
    const config = proxyConfigOf(mesh, traits);
    const spec = tracingSpec(mesh, telemetries, listener);
    const pathTag = config.tracing?.maxPathTagLength ?? 0;
    if (!spec) {
      if (!mesh.config.enableTracing) return NONE;
      return {
        tracing: {
          ...sampled(proxyConfigSampling(config)),
          custom_tags: customTags(undefined, config, traits, identity),
          max_path_tag_length: pathTag === 0 ? undefined : uint32(pathTag),
        },
        useRequestId: true,
      };
    }
    if (spec.disabled || !spec.provider) return NONE;
    const provider = tracingProvider(spec.provider, hosts, traits, identity);
    if (!provider || !hasExtension(traits.build, provider.http.name ?? '')) return NONE;
    const sampling = provider.customSampler ? 100 : (spec.sampling ?? proxyConfigSampling(config));
    const tagLength = provider.maxTagLength || pathTag;
    return {
      tracing: {
        ...sampled(sampling),
        custom_tags: customTags(spec, config, traits, identity),
        provider: provider.http,
        spawn_upstream_span: provider.spawnUpstreamSpan ? bool(true) : undefined,
        max_path_tag_length: tagLength === 0 ? undefined : uint32(tagLength),
        no_context_propagation: spec.noPropagation && speaks(traits, [1, 30], [1, 38]) ? true : undefined,
      },
      useRequestId: spec.useRequestId,
    };
  },
);

import type { Telemetry } from '../../../istio/config.ts';
import { byKey } from '../../../istio/object.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { memo } from '../../../memo.ts';
import type { Duration } from '../../../proto/generated/google/protobuf.ts';
import {
  MetricSelector_IstioMetric as IstioMetric,
  type MetricSelector,
  type MetricsOverrides_TagOverride,
  MetricsOverrides_TagOverride_Operation as TagOperation,
} from '../../../proto/generated/istio/telemetry/v1alpha1.ts';
import type { MetricConfig, PluginConfig } from '../../../proto/generated/stats.ts';
import type { ListenerClass } from '../../proxy-config.ts';
import { extensionProvider, isForListener, namesOf } from './telemetry.ts';

/** Istio's metrics as Prometheus knows them. */
const PROMETHEUS: Readonly<Record<string, string>> = {
  REQUEST_COUNT: 'requests_total',
  REQUEST_DURATION: 'request_duration_milliseconds',
  REQUEST_SIZE: 'request_bytes',
  RESPONSE_SIZE: 'response_bytes',
  TCP_OPENED_CONNECTIONS: 'tcp_connections_opened_total',
  TCP_CLOSED_CONNECTIONS: 'tcp_connections_closed_total',
  TCP_SENT_BYTES: 'tcp_sent_bytes_total',
  TCP_RECEIVED_BYTES: 'tcp_received_bytes_total',
  GRPC_REQUEST_MESSAGES: 'request_messages_total',
  GRPC_RESPONSE_MESSAGES: 'response_messages_total',
};

const nameOf = (metric: IstioMetric): string =>
  Object.entries(IstioMetric).find(([, value]) => value === metric)?.[0] ?? '';

const ALL: readonly string[] = Object.keys(PROMETHEUS).sort();

/** The metrics that a selector means; all of them where it names none. */
function selected(match: MetricSelector | undefined): readonly string[] {
  if (match?.customMetric !== undefined) return [match.customMetric];
  return match?.metric ? [nameOf(match.metric)] : ALL;
}

const meansAll = (match: MetricSelector | undefined): boolean => match?.customMetric === undefined && !match?.metric;

interface Override {
  disabled: boolean | undefined;
  readonly tags: Map<string, MetricsOverrides_TagOverride>;
}

interface Metrics {
  off: boolean;
  interval: Duration | undefined;
  readonly overrides: Map<string, Override>;
}

/** What Telemetry says of each provider's metrics for one direction, later objects over earlier ones (istio: mergeMetrics). */
function merged(
  mesh: MeshSettings,
  telemetries: readonly Telemetry[],
  listener: ListenerClass,
): ReadonlyMap<string, Metrics> {
  const blocks = telemetries.flatMap(t => t.spec.metrics ?? []);
  const defaults = mesh.config.defaultProviders?.metrics ?? [];
  const providers = new Map<string, Metrics>();
  const entry = (name: string): Metrics => {
    const known = providers.get(name) ?? { off: false, interval: undefined, overrides: new Map() };
    providers.set(name, known);
    return known;
  };
  if (blocks.length === 0) for (const name of defaults) entry(name);
  const named = blocks.map(block => namesOf(block.providers));
  const inScope = new Set(named.findLast(names => names.length > 0) ?? defaults);
  let inherited: readonly string[] = defaults;
  for (const [i, block] of blocks.entries()) {
    const own = named[i] ?? [];
    inherited = own.length > 0 ? own : inherited;
    for (const name of inherited.filter(n => inScope.has(n))) {
      const metrics = entry(name);
      metrics.interval = block.reportingInterval ?? metrics.interval;
      for (const o of block.overrides ?? []) {
        if (!isForListener(o.match, listener)) continue;
        metrics.off = meansAll(o.match) && (o.disabled?.value ?? false);
        if (metrics.off) continue;
        for (const metric of selected(o.match)) {
          const override = metrics.overrides.get(metric) ?? { disabled: undefined, tags: new Map() };
          override.disabled = o.disabled?.value ?? override.disabled;
          for (const [tag, change] of Object.entries(o.tagOverrides ?? {})) override.tags.set(tag, change);
          metrics.overrides.set(metric, override);
        }
      }
    }
  }
  return providers;
}

function metricConfig(metric: string, { disabled, tags }: Override): MetricConfig {
  const sorted = [...tags].sort(byKey);
  const removed = (change: MetricsOverrides_TagOverride) => change.operation === TagOperation.REMOVE;
  return {
    name: PROMETHEUS[metric] ?? metric,
    drop: disabled ? true : undefined,
    dimensions: Object.fromEntries(sorted.filter(([, c]) => !removed(c)).map(([tag, c]) => [tag, c.value ?? ''])),
    tags_to_remove: sorted.filter(([, c]) => removed(c)).map(([tag]) => tag),
  };
}

/** The configurations of Istio's metrics filter for a class of listeners, one for each Prometheus provider; none where metrics are off. */
export const metricsConfigs = memo(
  (mesh: MeshSettings, telemetries: readonly Telemetry[], listener: ListenerClass): readonly PluginConfig[] => {
    return [...merged(mesh, telemetries, listener)]
      .sort(byKey)
      .filter(([name, { off }]) => !off && extensionProvider(mesh, name)?.prometheus !== undefined)
      .map(([, { interval, overrides }]) => ({
        // Only for calls that leave may the Host header tell what was called.
        disable_host_header_fallback: listener === 'outbound' ? undefined : true,
        tcp_reporting_duration: interval,
        metrics: [...overrides].sort(byKey).map(([metric, o]) => metricConfig(metric, o)),
      }));
  },
);

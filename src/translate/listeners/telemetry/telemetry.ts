import type { Telemetry } from '../../../istio/config.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { memo, oneList } from '../../../memo.ts';
import type { Workload } from '../../../model/proxy/workload.ts';
import type { MeshConfig_ExtensionProvider } from '../../../proto/generated/istio/mesh/v1alpha1.ts';
import type {
  AccessLogging,
  AccessLogging_Filter,
  ProviderRef,
  Tracing,
  Tracing_CustomTag,
} from '../../../proto/generated/istio/telemetry/v1alpha1.ts';
import { WorkloadMode } from '../../../proto/generated/istio/telemetry/v1alpha1.ts';
import type { ListenerClass } from '../../proxy-config.ts';

/** The Telemetry objects that count for a workload, widest first: one of the root namespace, one of its own, and those that select it. */
export const telemetriesOf = memo((mesh: MeshSettings, workload: Workload): readonly Telemetry[] => {
  const all = workload.policies.telemetries;
  const selective = (t: Telemetry) => Object.keys(t.spec.selector?.matchLabels ?? {}).length > 0;
  const wide = (namespace: string) => all.find(t => t.meta.namespace === namespace && !selective(t));
  const root = wide(mesh.rootNamespace);
  const own = workload.namespace === mesh.rootNamespace ? undefined : wide(workload.namespace);
  const selecting = all.filter(t => t.meta.namespace === workload.namespace && selective(t));
  return oneList([root, own, ...selecting].filter(t => t !== undefined));
});

/** The provider of a name, case ignored as istiod does. */
export const extensionProvider = (mesh: MeshSettings, name: string): MeshConfig_ExtensionProvider | undefined =>
  mesh.config.extensionProviders?.find(p => p.name?.toLowerCase() === name.toLowerCase());

const modeOf = (listener: ListenerClass): WorkloadMode =>
  listener === 'inbound' ? WorkloadMode.SERVER : WorkloadMode.CLIENT;

const namesOf = (providers: readonly ProviderRef[] | undefined): readonly string[] =>
  (providers ?? []).map(p => p.name ?? '');

const matches = (log: AccessLogging, mode: WorkloadMode): boolean => {
  const wanted = log.match?.mode ?? WorkloadMode.CLIENT_AND_SERVER;
  return wanted === WorkloadMode.CLIENT_AND_SERVER || wanted === mode;
};

/** One access log that Telemetry asks for. */
export interface LoggingSpec {
  readonly provider: MeshConfig_ExtensionProvider;
  readonly disabled: boolean;
  readonly filter: AccessLogging_Filter | undefined;
}

/**
 * The access logs that Telemetry configures for a class of listeners, sorted by provider. `undefined`: Telemetry says nothing, MeshConfig's
 * accessLogFile decides (istio: Telemetries.AccessLogging, mergeLogs).
 */
export function loggingSpecs(
  mesh: MeshSettings,
  telemetries: readonly Telemetry[],
  listener: ListenerClass,
): readonly LoggingSpec[] | undefined {
  const levels = telemetries.map(t => t.spec.accessLogging ?? []).filter(l => l.length > 0);
  const defaults = mesh.config.defaultProviders?.accessLogging ?? [];
  if (levels.length === 0 && defaults.length === 0) return undefined;
  const chosen = mergedLogs(levels, defaults, modeOf(listener));
  return [...chosen]
    .map(([name, spec]) => ({ provider: extensionProvider(mesh, name), ...spec }))
    .filter(spec => spec.provider !== undefined)
    .map(spec => spec as LoggingSpec)
    .sort((a, b) => ((a.provider.name ?? '') < (b.provider.name ?? '') ? -1 : 1));
}

interface Merged {
  readonly disabled: boolean;
  readonly filter: AccessLogging_Filter | undefined;
}

function mergedLogs(
  levels: readonly (readonly AccessLogging[])[],
  defaults: readonly string[],
  mode: WorkloadMode,
): ReadonlyMap<string, Merged> {
  const chosen = new Map<string, Merged>();
  if (levels.length === 0) {
    for (const name of defaults) chosen.set(name, { disabled: false, filter: undefined });
    return chosen;
  }
  let inScope = new Set(defaults);
  const filters = new Map<string, AccessLogging_Filter | undefined>();
  for (const level of levels) {
    const named = new Set<string>();
    for (const log of level) {
      if (!matches(log, mode)) continue;
      for (const name of namesOf(log.providers)) {
        named.add(name);
        filters.set(name, log.filter);
      }
    }
    if (named.size > 0) inScope = named;
  }
  let inherited = defaults;
  for (const log of levels.flat()) {
    const own = namesOf(log.providers);
    inherited = own.length > 0 ? own : inherited;
    for (const name of inherited) {
      if (!inScope.has(name) || !matches(log, mode)) continue;
      chosen.set(
        name,
        log.disabled?.value ? { disabled: true, filter: undefined } : { disabled: false, filter: filters.get(name) },
      );
    }
  }
  return chosen;
}

/** What Telemetry says of tracing for one direction (istio: model.TracingSpec). */
export interface TracingSpec {
  readonly provider: MeshConfig_ExtensionProvider | undefined;
  readonly disabled: boolean;
  readonly sampling: number | undefined;
  readonly customTags: Readonly<Record<string, Tracing_CustomTag>>;
  readonly useRequestId: boolean;
  readonly istioTags: boolean;
  readonly noPropagation: boolean;
}

/** Tracing for a class of listeners; `undefined`: Telemetry says nothing, MeshConfig.enableTracing and ProxyConfig.tracing decide. */
export function tracingSpec(
  mesh: MeshSettings,
  telemetries: readonly Telemetry[],
  listener: ListenerClass,
): TracingSpec | undefined {
  const blocks = telemetries.flatMap(t => t.spec.tracing ?? []);
  const byDefault = mesh.config.defaultProviders?.tracing?.[0];
  if (blocks.length === 0 && byDefault === undefined) return undefined;
  const mode = modeOf(listener);
  const applied = blocks.filter(b => {
    const wanted = b.match?.mode ?? WorkloadMode.CLIENT_AND_SERVER;
    return wanted === WorkloadMode.CLIENT_AND_SERVER || wanted === mode;
  });
  const last = <T>(read: (b: Tracing) => T | undefined): T | undefined =>
    applied.reduce<T | undefined>((known, block) => read(block) ?? known, undefined);
  const name = last(b => b.providers?.[0]?.name) ?? byDefault;
  const provider = name === undefined ? undefined : extensionProvider(mesh, name);
  const customTags = last(b => (Object.keys(b.customTags ?? {}).length > 0 ? b.customTags : undefined));
  return {
    provider,
    disabled: provider === undefined || (last(b => b.disableSpanReporting)?.value ?? false),
    sampling: last(b => b.randomSamplingPercentage && (b.randomSamplingPercentage.value ?? 0)),
    customTags: customTags ?? {},
    useRequestId:
      last(b => b.useRequestIdForTraceSampling)?.value ?? last(b => b.useRequestIdForTraceSampling) === undefined,
    istioTags: last(b => b.enableIstioTags)?.value ?? last(b => b.enableIstioTags) === undefined,
    noPropagation: last(b => b.disableContextPropagation)?.value ?? false,
  };
}

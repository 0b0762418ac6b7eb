import type { Telemetry } from '../../../istio/config.ts';
import { compare } from '../../../istio/object.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { memo, oneList } from '../../../memo.ts';
import { isWide } from '../../../model/policies/policies.ts';
import type { Workload } from '../../../model/proxy/workload.ts';
import type { BoolValue } from '../../../proto/generated/google/protobuf.ts';
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
  const wide = (namespace: string) => all.find(t => t.meta.namespace === namespace && isWide(t));
  const root = wide(mesh.rootNamespace);
  const own = workload.namespace === mesh.rootNamespace ? undefined : wide(workload.namespace);
  const selecting = all.filter(t => t.meta.namespace === workload.namespace && !isWide(t));
  return oneList([root, own, ...selecting].filter(t => t !== undefined));
});

/** The provider of a name, case ignored as istiod does. */
export const extensionProvider = (mesh: MeshSettings, name: string): MeshConfig_ExtensionProvider | undefined =>
  mesh.config.extensionProviders?.find(p => p.name?.toLowerCase() === name.toLowerCase());

/** Whether what Telemetry says with a match is for a class of listeners: what it says without one is for all. */
export function isForListener(
  match: { readonly mode?: WorkloadMode | undefined } | undefined,
  listener: ListenerClass,
): boolean {
  const wanted = match?.mode ?? WorkloadMode.CLIENT_AND_SERVER;
  const mode = listener === 'inbound' ? WorkloadMode.SERVER : WorkloadMode.CLIENT;
  return wanted === WorkloadMode.CLIENT_AND_SERVER || wanted === mode;
}

/** The names of the providers that a block is for. */
export const namesOf = (providers: readonly ProviderRef[] | undefined): readonly string[] =>
  (providers ?? []).map(p => p.name ?? '');

interface Log {
  readonly disabled: boolean;
  readonly filter: AccessLogging_Filter | undefined;
}

/** One access log that Telemetry asks for. */
export interface LoggingSpec extends Log {
  readonly provider: MeshConfig_ExtensionProvider;
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
  const chosen = mergedLogs(levels, defaults, listener);
  return [...chosen]
    .flatMap(([name, log]): LoggingSpec[] => {
      const provider = extensionProvider(mesh, name);
      return provider ? [{ provider, ...log }] : [];
    })
    .sort((a, b) => compare(a.provider.name ?? '', b.provider.name ?? ''));
}

function mergedLogs(
  levels: readonly (readonly AccessLogging[])[],
  defaults: readonly string[],
  listener: ListenerClass,
): ReadonlyMap<string, Log> {
  const chosen = new Map<string, Log>();
  if (levels.length === 0) {
    for (const name of defaults) chosen.set(name, { disabled: false, filter: undefined });
    return chosen;
  }
  let inScope = new Set(defaults);
  const filters = new Map<string, AccessLogging_Filter | undefined>();
  for (const level of levels) {
    const named = new Set<string>();
    for (const log of level) {
      if (!isForListener(log.match, listener)) continue;
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
      if (!inScope.has(name) || !isForListener(log.match, listener)) continue;
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
  const applied = blocks.filter(block => isForListener(block.match, listener));
  const last = <T>(read: (b: Tracing) => T | undefined): T | undefined =>
    applied.reduce<T | undefined>((known, block) => read(block) ?? known, undefined);
  const flag = (read: (b: Tracing) => BoolValue | undefined, otherwise: boolean): boolean => {
    const said = last(read);
    return said ? (said.value ?? false) : otherwise;
  };
  const name = last(b => b.providers?.[0]?.name) ?? byDefault;
  const provider = name === undefined ? undefined : extensionProvider(mesh, name);
  const customTags = last(b => (Object.keys(b.customTags ?? {}).length > 0 ? b.customTags : undefined));
  return {
    provider,
    disabled: provider === undefined || flag(b => b.disableSpanReporting, false),
    sampling: last(b => b.randomSamplingPercentage && (b.randomSamplingPercentage.value ?? 0)),
    customTags: customTags ?? {},
    useRequestId: flag(b => b.useRequestIdForTraceSampling, true),
    istioTags: flag(b => b.enableIstioTags, true),
    noPropagation: flag(b => b.disableContextPropagation, false),
  };
}

import type { ConfigContents } from '../../config/store.ts';
import { picks } from '../../istio/label-selector.ts';
import type { Visibility } from '../../istio/visibility.ts';
import { objectKey } from '../../object-key.ts';
import {
  ServiceEntryVisibility_Visibility as Level,
  type ServiceEntryVisibility,
} from '../../proto/generated/istio/mesh/v1alpha1.ts';

/** How widely the ServiceEntries of a namespace may be seen at most. */
export type VisibilityCap = 'public' | 'namespace' | 'none';

const capOf = (level: Level | undefined): VisibilityCap =>
  level === Level.NONE ? 'none' : level === Level.NAMESPACE ? 'namespace' : 'public';

/**
 * What MeshConfig.serviceEntryVisibility lets the ServiceEntries of a namespace be for sidecars, by its first policy of which all rules match
 * the namespace's labels (istio: ServiceEntryVisibilityMatcher).
 */
export function visibilityCap(
  settings: ServiceEntryVisibility | undefined,
  namespaces: ConfigContents['Namespace'],
  namespace: string,
): VisibilityCap {
  if (!settings?.applyToSidecars) return 'public';
  const labels = namespaces.get(objectKey('Namespace', '', namespace))?.meta.labels ?? {};
  const policy = (settings.policies ?? []).find(({ matchingRules = [] }) =>
    matchingRules.every(({ namespaceSelector }) => namespaceSelector !== undefined && picks(namespaceSelector, labels)),
  );
  return capOf(policy ? policy.visibility : settings.defaultVisibility);
}

/** A visibility, narrowed to what the mesh allows (istio: PushContext.serviceExportTo). */
export function narrowed(visibility: Visibility, cap: VisibilityCap, namespace: string): Visibility {
  if (cap === 'public' || visibility.kind === 'none') return visibility;
  const own = visibility.kind === 'public' || visibility.namespaces.has(namespace);
  return cap === 'none' || !own ? { kind: 'none' } : { kind: 'namespaces', namespaces: new Set([namespace]) };
}

import type { Problem } from '../../config/problem.ts';
import type { ConfigContents } from '../../config/store.ts';
import type { Sidecar } from '../../istio/config.ts';
import { byAge, selects } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { addTo } from '../../lists.ts';
import { memo, one } from '../../memo.ts';
import { MeshConfig_OutboundTrafficPolicy_Mode as MeshMode } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import { OutboundTrafficPolicy_Mode } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { Scope } from './scope.ts';

/** The Sidecars of the mesh: by namespace, those with a selector first, then older ones. */
export interface SidecarIndex {
  readonly byNamespace: ReadonlyMap<string, readonly Sidecar[]>;
  /** The root namespace's Sidecar without a selector: in force where a namespace has none of its own. */
  readonly meshWide: Sidecar | undefined;
  readonly problems: readonly Problem[];
}

const selectorOf = ({ spec }: Sidecar): Readonly<Record<string, string>> | undefined =>
  spec.workloadSelector && (spec.workloadSelector.labels ?? {});

/** The index; a second Sidecar for all workloads of a namespace is a problem. */
export const sidecarIndex: (objects: ConfigContents['Sidecar'], rootNamespace: string) => SidecarIndex = memo(
  (objects, rootNamespace) => {
    const byNamespace = new Map<string, Sidecar[]>();
    const problems: Problem[] = [];
    const sorted = [...objects.values()].sort((a, b) => Number(!selectorOf(a)) - Number(!selectorOf(b)) || byAge(a, b));
    for (const sidecar of sorted) {
      const { namespace, key } = sidecar.meta;
      const general = selectorOf(sidecar) ? undefined : byNamespace.get(namespace)?.find(known => !selectorOf(known));
      if (general) {
        const message = `${general.meta.key} is for all workloads of the namespace already and is used`;
        problems.push({ object: key, path: 'spec.workloadSelector', message, severity: 'error' });
      }
      addTo(byNamespace, namespace, sidecar);
    }
    const meshWide = byNamespace.get(rootNamespace)?.find(sidecar => !selectorOf(sidecar));
    return { byNamespace, meshWide, problems };
  },
);

/** The Sidecar in force for a workload: of its namespace, else the mesh-wide one (istio: getSidecarScope). */
export function sidecarFor(
  index: SidecarIndex,
  namespace: string,
  labels: Readonly<Record<string, string>>,
): Sidecar | undefined {
  const own = index.byNamespace.get(namespace)?.find(sidecar => selects(selectorOf(sidecar) ?? {}, labels));
  return own ?? index.meshWide;
}

/** What happens to traffic for hosts that the mesh does not know: the Sidecar's policy, else the mesh's. */
export const outboundPolicyOf: (settings: MeshSettings, sidecar: Sidecar | undefined) => Scope['outboundPolicy'] = memo(
  (settings, sidecar) => {
    const own = sidecar?.spec.outboundTrafficPolicy;
    const ofMesh = settings.config.outboundTrafficPolicy?.mode;
    const dynamic = !own && ofMesh === MeshMode.ALLOW_ANY_DYNAMIC_DNS;
    const mode = own ? own.mode : ofMesh;
    const proxy = own?.egressProxy;
    return one({
      mode:
        (mode ?? OutboundTrafficPolicy_Mode.REGISTRY_ONLY) === OutboundTrafficPolicy_Mode.REGISTRY_ONLY
          ? ('REGISTRY_ONLY' as const)
          : dynamic
            ? ('ALLOW_ANY_DYNAMIC_DNS' as const)
            : ('ALLOW_ANY' as const),
      egressProxy: proxy?.host && one({ host: proxy.host, subset: proxy.subset ?? '', port: proxy.port?.number ?? 0 }),
    });
  },
);

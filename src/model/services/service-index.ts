import type { Problem } from '../../config/problem.ts';
import type { ConfigContents } from '../../config/store.ts';
import type { ServiceEntry } from '../../istio/config.ts';
import type { KubeNamespace, KubeService } from '../../istio/kubernetes.ts';
import { compare } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { namespacesOf } from '../../istio/visibility.ts';
import { addTo } from '../../lists.ts';
import { memo, oneList, oneMap, oneMapOfLists } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import { type Derived, deriving } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';
import { resolveAliases } from './aliases.ts';
import { allocationKey, autoAllocate } from './auto-allocation.ts';
import { visibilityCap } from './entry-visibility.ts';
import { hostConflicts } from './host-conflicts.ts';
import { kubeService, trafficDistributionAnnotation } from './kube-service.ts';
import type { Hostname, Service } from './service.ts';
import { serviceEntryServices } from './service-entry.ts';

/** Every Service of the mesh, and who sees which. */
export interface ServiceIndex {
  /** In istiod's order: older first, then by name and namespace. */
  readonly all: readonly Service[];
  /** By host name; several where several namespaces (or objects) have the host. */
  readonly byHost: ReadonlyMap<Hostname, readonly Service[]>;
  readonly inNamespace: ReadonlyMap<string, readonly Service[]>;
  /** Those that everyone sees. */
  readonly shared: readonly Service[];
  /** Those that only the namespace (and others that are named) sees. */
  readonly exported: ReadonlyMap<string, readonly Service[]>;
  /** Whether any Service is served by node, so that a proxy's node matters. */
  readonly byNode: boolean;
  readonly problems: readonly Problem[];
  readonly parts: Parts;
}

/** What the next index is made from. */
interface Parts {
  readonly kube: Derived<KubeService, Service>;
  readonly entries: Derived<ServiceEntry, readonly Service[]>;
}

export interface ServiceInputs {
  readonly services: ConfigContents['Service'];
  readonly entries: ConfigContents['ServiceEntry'];
  readonly namespaces: ConfigContents['Namespace'];
  readonly settings: MeshSettings;
}

/** Older first; a ServiceEntry's host counts as its name, as in istiod. */
const byCreation = (a: Service, b: Service): number =>
  a.createdAt - b.createdAt ||
  compare(sortName(a), sortName(b)) ||
  compare(a.namespace, b.namespace) ||
  compare(a.source, b.source);
const sortName = (service: Service): string => (service.registry === 'External' ? service.hostname : service.name);

/** Namespaces whose annotation says how traffic is spread. */
const distributionOf = memo((namespaces: ReadonlyMap<ObjectKey, KubeNamespace>): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const { meta } of namespaces.values()) {
    const annotation = meta.annotations[trafficDistributionAnnotation];
    if (annotation) found.set(meta.name, annotation);
  }
  return oneMap(found);
});

/** The index; everything in it that is as before keeps its identity. */
export function* buildServices(
  { services, entries: serviceEntries, namespaces, settings }: ServiceInputs,
  previous: Stage<ServiceInputs, ServiceIndex> | undefined,
): Generator<undefined, ServiceIndex> {
  const last = previous?.value;
  const distribution = distributionOf(namespaces);
  const kube = yield* deriving(
    services,
    oneList([settings, distribution]),
    service => kubeService(service, settings, distribution.get(service.meta.namespace)),
    last?.parts.kube,
  );
  const allocated = allocate(serviceEntries);
  const capped = settings.config.serviceEntryVisibility?.applyToSidecars;
  const entries = yield* deriving(
    serviceEntries,
    oneList([settings, distribution, allocated, capped ? namespaces : settings]),
    entry =>
      serviceEntryServices(
        entry,
        settings,
        distribution.get(entry.meta.namespace),
        visibilityCap(settings.config.serviceEntryVisibility, namespaces, entry.meta.namespace),
        host => allocated.get(allocationKey(entry.meta.namespace, host)) ?? [],
      ),
    last?.parts.entries,
  );
  const parts = { kube, entries };
  if (last && kube.values === last.parts.kube.values && entries.values === last.parts.entries.values) {
    return { ...last, parts };
  }
  yield undefined;
  const sorted = [...kube.values.values(), ...[...entries.values.values()].flat()].sort(byCreation);
  yield undefined;
  const { services: all, problems } = resolveAliases(sorted, last?.all);
  const index = indexed(oneList(all));
  yield undefined;
  const found = [...problems, ...hostConflicts(index.byHost, serviceEntries)];
  return { ...index, problems: oneList(found), parts };
}

const allocate = memo(
  (entries: ConfigContents['ServiceEntry']): ReadonlyMap<string, readonly string[]> =>
    oneMapOfLists(autoAllocate(entries.values())),
);

function indexed(all: readonly Service[]): Omit<ServiceIndex, 'problems' | 'parts'> {
  const byHost = new Map<Hostname, Service[]>();
  const inNamespace = new Map<string, Service[]>();
  const exported = new Map<string, Service[]>();
  const shared: Service[] = [];
  let byNode = false;
  for (const service of all) {
    addTo(byHost, service.hostname, service);
    addTo(inNamespace, service.namespace, service);
    byNode ||= service.nodeLocal || service.trafficDistribution === 'PreferSameNode';
    if (service.visibility.kind === 'public') shared.push(service);
    else for (const namespace of namespacesOf(service.visibility)) addTo(exported, namespace, service);
  }
  return {
    all,
    byHost: oneMapOfLists(byHost),
    inNamespace: oneMapOfLists(inNamespace),
    shared: oneList(shared),
    exported: oneMapOfLists(exported),
    byNode,
  };
}

const concat = memo((own: readonly Service[], shared: readonly Service[]): readonly Service[] => [...own, ...shared]);

/** The Services that a namespace sees: those for it alone first, then everyone's (istio: servicesExportedToNamespace). */
export function visibleServices(index: ServiceIndex, namespace: string): readonly Service[] {
  const own = index.exported.get(namespace);
  return own ? concat(own, index.shared) : index.shared;
}

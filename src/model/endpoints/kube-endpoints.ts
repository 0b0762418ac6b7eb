import type { ConfigContents } from '../../config/store.ts';
import type { KubeEndpointSlice, KubePod } from '../../istio/kubernetes.ts';
import { compare, selects } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { addTo, distinctBy } from '../../lists.ts';
import { memo } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import { PersistentMap } from '../../persistent-map.ts';
import { changesBetween, differingKeys } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';
import type { Service } from '../services/service.ts';
import { type Endpoint, type EndpointHealth, endpointsKey, type ServiceEndpoints } from './endpoint.ts';
import { keepEndpoints } from './kept-endpoints.ts';
import { nowhere, placesDiffer } from './locality.ts';
import { type EndpointPlace, type PodIndex, podIndex } from './pods.ts';
import { referencesOf, type SliceGroups } from './slices.ts';
import { instanceEndpoint, needsDns, type WorkloadInstance, workloadEntryInstance } from './workload-entries.ts';

export interface KubeEndpointInputs {
  readonly slices: SliceGroups;
  readonly endpoints: SliceGroups;
  readonly services: PersistentMap<ObjectKey, Service>;
  readonly pods: ConfigContents['Pod'];
  readonly nodes: ConfigContents['Node'];
  readonly workloads: ConfigContents['WorkloadEntry'];
  readonly settings: MeshSettings;
}

/** The endpoints of Kubernetes Services. */
export interface KubeEndpoints {
  /** By `endpointsKey`. */
  readonly services: PersistentMap<string, ServiceEndpoints>;
  /** By the Service's `namespace/name`: what each slice gave. */
  readonly made: PersistentMap<string, Made>;
  /** How often a slice was read to make this value: what a change costs. */
  readonly slicesRead: number;
}

interface Made {
  readonly parts: readonly { readonly slice: KubeEndpointSlice; readonly endpoints: readonly Endpoint[] }[];
  readonly key: string;
}

/** Where an address is that no pod is known for (istio gives it nothing but cluster and network). */
const unknownPlace = (settings: MeshSettings): EndpointPlace => ({
  locality: nowhere,
  labels: Object.freeze({
    ...(settings.clusterId && { 'topology.istio.io/cluster': settings.clusterId }),
    ...(settings.network && { 'topology.istio.io/network': settings.network }),
  }),
  namespace: '',
  workload: '',
  pod: '',
  node: '',
  network: settings.network,
  clusterId: settings.clusterId,
  identity: '',
  tlsMode: 'disabled',
  hostname: '',
  subdomain: '',
});

/** undefined: the endpoint is left out. A terminating endpoint that still serves drains; one that is not ready is sent for Envoy to count. */
function healthOf({ ready, serving, terminating }: KubeEndpointSlice['endpoints'][number]): EndpointHealth | undefined {
  if (ready) return 'healthy';
  if (terminating) return serving ? 'draining' : undefined;
  return 'unhealthy';
}

/** The endpoints of a slice. An endpoint that names a pod which is not known (yet) is left out, as in istiod. */
function sliceEndpoints(slice: KubeEndpointSlice, pods: PodIndex, unknown: EndpointPlace): readonly Endpoint[] {
  if (slice.addressType === 'FQDN') return [];
  const found: Endpoint[] = [];
  for (const endpoint of slice.endpoints) {
    const health = healthOf(endpoint);
    if (!health) continue;
    for (const address of endpoint.addresses) {
      const pod = endpoint.pod ? pods.named(endpoint.pod) : pods.at(address, slice.meta.namespace);
      if (!pod && endpoint.pod) continue;
      const place = pod ? pods.place(pod) : unknown;
      for (const { name, port } of slice.ports) {
        found.push(Object.freeze({ ...place, address, port, portName: name, servicePort: 0, health, weight: 0 }));
      }
    }
  }
  return found;
}

/** WorkloadEntries that a Service's selector picks; of named target ports their own port of that name (istio: collectWorkloadInstanceEndpoints). */
function selectedEndpoints(service: Service, instances: readonly WorkloadInstance[]): readonly Endpoint[] {
  const found: Endpoint[] = [];
  for (const instance of instances) {
    if (needsDns(instance) || !instance.address || !selects(service.selector, instance.labels)) continue;
    for (const { name, targetPort } of service.ports) {
      const port = typeof targetPort === 'number' ? (instance.ports[name] ?? targetPort) : instance.ports[targetPort];
      if (port) found.push(instanceEndpoint(instance, name, port));
    }
  }
  return found;
}

const entriesByNamespace = (
  entries: ConfigContents['WorkloadEntry'],
  settings: MeshSettings,
): ReadonlyMap<string, readonly WorkloadInstance[]> => {
  const found = new Map<string, WorkloadInstance[]>();
  for (const entry of [...entries.values()].sort((a, b) => compare(a.meta.name, b.meta.name))) {
    if (entry.healthy) addTo(found, entry.meta.namespace, workloadEntryInstance(entry, settings));
  }
  return found;
};

const nameOf = (service: Service): string => `${service.namespace}/${service.name}`;

/** An address may be in two slices for a moment: its port of a name counts once. */
const portKey = ({ address, portName, port }: Endpoint): string =>
  `${address} ${portName} ${address.startsWith('unix:') ? port : ''}`;

/** What has to be made again: Services by `namespace/name`, and whether what their slices gave is still right. */
interface Dirty {
  readonly all: boolean;
  readonly services: ReadonlySet<string>;
  readonly references: ReadonlySet<string>;
}

function dirtyOf(inputs: KubeEndpointInputs, previous: Stage<KubeEndpointInputs, KubeEndpoints>): Dirty {
  const { slices, endpoints, services, pods, nodes, workloads, settings } = inputs;
  const last = previous.inputs;
  if (settings !== last.settings || placesDiffer(last.nodes, nodes))
    return { all: true, services: new Set(), references: new Set() };

  const dirty = new Set<string>();
  for (const name of differingKeys(last.slices, slices)) dirty.add(name);
  for (const name of differingKeys(last.endpoints, endpoints)) dirty.add(name);
  for (const key of differingKeys(last.services, services)) {
    const service = services.get(key) ?? last.services.get(key);
    if (service) dirty.add(nameOf(service));
  }
  const references = new Set<string>();
  const touch = (pod: KubePod): void => {
    references.add(`${pod.meta.namespace}/${pod.meta.name}`);
    for (const ip of pod.ips) references.add(`${pod.meta.namespace}/${ip}`);
  };
  for (const { before, after } of changesBetween(last.pods, pods)) {
    if (before) touch(before);
    if (after) touch(after);
  }
  if (references.size) {
    for (const part of previous.value.made.parts) {
      const names = referrers(part);
      for (const reference of references) for (const name of names.get(reference) ?? []) dirty.add(name);
    }
  }
  const namespaces = new Set(
    changesBetween(last.workloads, workloads).map(({ before, after }) => (after ?? before)?.meta.namespace),
  );
  if (namespaces.size) {
    for (const service of services.values()) if (namespaces.has(service.namespace)) dirty.add(nameOf(service));
  }
  return { all: false, services: dirty, references };
}

/** Services by what their slices refer to. */
const referrers = memo((part: ReadonlyMap<string, Made>): ReadonlyMap<string, readonly string[]> => {
  const found = new Map<string, string[]>();
  for (const [name, made] of part) {
    for (const { slice } of made.parts) {
      for (const reference of referencesOf(slice)) {
        addTo(found, reference, name);
      }
    }
  }
  return found;
});

function meets(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  for (const item of few) if (many.has(item)) return true;
  return false;
}

/** Endpoints of every Kubernetes Service. A change costs what it touches, besides comparing identities. */
export function buildKubeEndpoints(
  inputs: KubeEndpointInputs,
  previous: Stage<KubeEndpointInputs, KubeEndpoints> | undefined,
): KubeEndpoints {
  const { slices, endpoints: objects, services, pods, nodes, workloads, settings } = inputs;
  const dirty = previous ? dirtyOf(inputs, previous) : undefined;
  if (previous && dirty && !dirty.all && !dirty.services.size) return { ...previous.value, slicesRead: 0 };
  const index = podIndex(pods, nodes, settings);
  const unknown = unknownPlace(settings);
  const entries = workloads.size ? entriesByNamespace(workloads, settings) : undefined;
  const known = dirty && !dirty.all ? previous?.value : undefined;
  const made = new Map<string, Made | undefined>();
  const found = new Map<string, ServiceEndpoints | undefined>();
  let slicesRead = 0;

  const make = (service: Service): void => {
    const name = nameOf(service);
    const before = known?.made.get(name);
    const parts = (slices.get(name) ?? objects.get(name) ?? []).map(slice => {
      const last = before?.parts.find(part => part.slice === slice);
      if (last && !(dirty && meets(referencesOf(slice), dirty.references))) return last;
      slicesRead++;
      return { slice, endpoints: sliceEndpoints(slice, index, unknown) };
    });
    const selected =
      entries && service.resolution === 'ClientSideLB' && Object.keys(service.selector).length
        ? selectedEndpoints(service, entries.get(service.namespace) ?? [])
        : [];
    const key = endpointsKey(service);
    if (!parts.length && !selected.length) {
      made.set(name, undefined);
      found.set(key, undefined);
      return;
    }
    const all = distinctBy([...parts.flatMap(part => part.endpoints), ...selected], portKey);
    const next = { hostname: service.hostname, namespace: service.namespace, endpoints: Object.freeze(all) };
    made.set(name, { parts, key });
    found.set(key, keepEndpoints(previous?.value.services.get(key), next));
  };

  if (!dirty || dirty.all) for (const service of services.values()) make(service);
  else {
    for (const name of dirty.services) {
      const service = services.get(`Service/${name}` as ObjectKey);
      if (service) make(service);
      else {
        const gone = known?.made.get(name);
        made.set(name, undefined);
        if (gone && !found.has(gone.key)) found.set(gone.key, undefined);
      }
    }
  }
  return {
    services: (known?.services ?? PersistentMap.of()).with(found),
    made: (known?.made ?? PersistentMap.of()).with(made),
    slicesRead,
  };
}

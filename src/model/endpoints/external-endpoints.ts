import type { ConfigContents } from '../../config/store.ts';
import type { ServiceEntry } from '../../istio/config.ts';
import type { KubePod } from '../../istio/kubernetes.ts';
import { byAge, compare, type ObjectMeta, selects } from '../../istio/object.ts';
import type { Protocol } from '../../istio/protocol.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { addTo, distinctBy } from '../../lists.ts';
import { memo } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import { PersistentMap } from '../../persistent-map.ts';
import { changesBetween } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';
import type { Service } from '../services/service.ts';
import { resolutionOf } from '../services/service-entry.ts';
import { type Endpoint, endpointsKey, type ServiceEndpoints } from './endpoint.ts';
import { keepEndpoints } from './kept-endpoints.ts';
import { placesDiffer } from './locality.ts';
import { type PodIndex, podIndex } from './pods.ts';
import {
  inlineInstance,
  instanceEndpoint,
  needsDns,
  type WorkloadInstance,
  workloadEntryInstance,
} from './workload-entries.ts';

export interface ExternalInputs {
  readonly entries: ConfigContents['ServiceEntry'];
  readonly services: ReadonlyMap<ObjectKey, readonly Service[]>;
  readonly workloads: ConfigContents['WorkloadEntry'];
  readonly pods: ConfigContents['Pod'];
  readonly nodes: ConfigContents['Node'];
  readonly settings: MeshSettings;
}

/** The endpoints of ServiceEntries by `endpointsKey`. */
export type ExternalEndpoints = PersistentMap<string, ServiceEndpoints>;

const isSelecting = (entry: ServiceEntry): boolean => entry.spec.workloadSelector !== undefined;
const selectorOf = (entry: ServiceEntry): Readonly<Record<string, string>> => entry.spec.workloadSelector?.labels ?? {};
const isDns = (entry: ServiceEntry): boolean => resolutionOf(entry).startsWith('DNS');

/** Whether a pod can be selected: it runs and is ready (istio: PodCache.onEvent). */
const isUsable = (pod: KubePod): boolean =>
  pod.ready && pod.ips.length > 0 && pod.phase !== 'Failed' && pod.phase !== 'Succeeded';

/** Endpoints that are written in the ServiceEntry itself; a DNS host without any resolves its own name. */
const inlineEndpoints: (entry: ServiceEntry, host: string, settings: MeshSettings) => readonly Endpoint[] = memo(
  (entry, host, settings) => {
    const { meta, spec } = entry;
    const instances = (spec.endpoints ?? []).map((endpoint, i) =>
      inlineInstance(endpoint, endpoint.labels ?? {}, `${meta.name}-${i}`, meta.namespace, settings),
    );
    if (instances.length || !isDns(entry)) return portsOf(entry, instances);
    const place = {
      ...inlineInstance({}, {}, meta.name, meta.namespace, settings).place,
      labels: {},
      network: '',
    };
    return portsOf(entry, [{ address: host, ports: {}, labels: {}, weight: 0, place }]);
  },
);

/** Each port of each instance: its own port of that name, else the target port, else the port. */
const portsOf = (entry: ServiceEntry, instances: readonly WorkloadInstance[]): readonly Endpoint[] =>
  instances.flatMap(instance =>
    (entry.spec.ports ?? []).map(({ name = '', number = 0, targetPort }) =>
      instanceEndpoint(instance, name, instance.ports[name] || targetPort || number, number),
    ),
  );

/** Instances by each of their labels. */
const byLabel = memo((instances: readonly WorkloadInstance[]) => {
  const found = new Map<string, WorkloadInstance[]>();
  for (const instance of instances) {
    for (const [key, value] of Object.entries(instance.labels)) {
      addTo(found, `${key}=${value}`, instance);
    }
  }
  return found;
});

/** Those that have all labels of the selector: thousands of selectors do not look at thousands of instances each. */
function selected(
  instances: readonly WorkloadInstance[],
  selector: Readonly<Record<string, string>>,
): readonly WorkloadInstance[] {
  const [pair] = Object.entries(selector);
  const some = pair ? (byLabel(instances).get(pair.join('=')) ?? []) : instances;
  return some.filter(({ labels }) => selects(selector, labels));
}

/** Whether no pod that a ServiceEntry selects has come, gone or changed. */
function podsStay(
  entries: readonly ServiceEntry[],
  inputs: ExternalInputs,
  previous: Stage<ExternalInputs, ExternalEndpoints>,
): boolean {
  const { pods, nodes } = inputs;
  if (placesDiffer(previous.inputs.nodes, nodes)) return false;
  const selected = (pod: KubePod | undefined): boolean =>
    pod !== undefined &&
    entries.some(entry => entry.meta.namespace === pod.meta.namespace && selects(selectorOf(entry), pod.meta.labels));
  return !changesBetween(previous.inputs.pods, pods).some(({ before, after }) => selected(before) || selected(after));
}

/** A machine may serve a port of a host more than once, each time on a port of its own. */
const socketOf = ({ address, servicePort, port }: Endpoint): string => `${address} ${servicePort} ${port}`;

const podInstance = memo(
  (pod: KubePod, place: WorkloadInstance['place']): WorkloadInstance => ({
    address: pod.ips[0] ?? '',
    ports: Object.fromEntries(pod.containerPorts.filter(port => port.name).map(port => [port.name, port.port])),
    labels: pod.meta.labels,
    weight: 0,
    place,
  }),
);

const byName = (a: { readonly meta: ObjectMeta }, b: { readonly meta: ObjectMeta }): number =>
  compare(a.meta.name, b.meta.name);

/** What selectors of a namespace choose from. */
const podsIn = memo((index: PodIndex, namespace: string): readonly WorkloadInstance[] =>
  [...index.pods.values()]
    .filter(pod => pod.meta.namespace === namespace && isUsable(pod))
    .sort(byName)
    .map(pod => podInstance(pod, index.place(pod))),
);
const workloadsIn = memo(
  (workloads: ExternalInputs['workloads'], settings: MeshSettings, namespace: string): readonly WorkloadInstance[] =>
    [...workloads.values()]
      .filter(workload => workload.healthy && workload.meta.namespace === namespace)
      .sort(byName)
      .map(workload => workloadEntryInstance(workload, settings)),
);

/** The endpoints that a ServiceEntry's selector picks: pods, then WorkloadEntries. */
function selectedEndpoints(entry: ServiceEntry, inputs: ExternalInputs): readonly Endpoint[] {
  const { pods, nodes, workloads, settings } = inputs;
  const { namespace } = entry.meta;
  const selector = selectorOf(entry);
  const ofPods = selected(podsIn(podIndex(pods, nodes, settings), namespace), selector);
  const ofEntries = selected(workloadsIn(workloads, settings, namespace), selector).filter(
    instance => isDns(entry) || !needsDns(instance),
  );
  return portsOf(entry, [...ofPods, ...ofEntries]);
}

/** What the ServiceEntries of one host and namespace bring together, the oldest first. */
interface Gathered {
  readonly service: Service;
  readonly endpoints: Endpoint[];
  readonly protocols: Map<number, Protocol>;
}

/** Adds what one more entry has for the host. */
function gather({ endpoints, protocols }: Gathered, { ports, resolution }: Service, more: readonly Endpoint[]): void {
  // A port that an older entry has with another protocol is that entry's alone.
  const clashing = new Set(ports.filter(p => (protocols.get(p.port) ?? p.protocol) !== p.protocol).map(p => p.port));
  for (const { port, protocol } of ports) if (!clashing.has(port)) protocols.set(port, protocol);
  // Envoy's LOGICAL_DNS takes one endpoint a port: the oldest entry's first one.
  const taken = new Set(endpoints.map(e => e.servicePort));
  for (const endpoint of more) {
    const { servicePort } = endpoint;
    if (clashing.has(servicePort) || (resolution === 'DNSRoundRobinLB' && taken.has(servicePort))) continue;
    taken.add(servicePort);
    endpoints.push(endpoint);
  }
}

/** Whether nothing that the endpoints are made from has changed. */
function isSame(inputs: ExternalInputs, previous: Stage<ExternalInputs, ExternalEndpoints>): boolean {
  const { entries, services, workloads, settings } = inputs;
  const last = previous.inputs;
  if (entries !== last.entries || services !== last.services || settings !== last.settings) return false;
  const selecting = [...entries.values()].filter(isSelecting);
  return !selecting.length || (workloads === last.workloads && podsStay(selecting, inputs, previous));
}

/** Endpoints of the hosts of every ServiceEntry; what nothing changed about keeps its identity. */
export function buildExternalEndpoints(
  inputs: ExternalInputs,
  previous: Stage<ExternalInputs, ExternalEndpoints> | undefined,
): ExternalEndpoints {
  const { entries, services, settings } = inputs;
  if (!entries.size) return previous?.value.size === 0 ? previous.value : PersistentMap.of();
  if (previous && isSame(inputs, previous)) return previous.value;

  const hosts = new Map<string, Gathered>();
  for (const entry of [...entries.values()].sort(byAge)) {
    const chosen = isSelecting(entry) ? selectedEndpoints(entry, inputs) : undefined;
    for (const service of services.get(entry.meta.key) ?? []) {
      const key = endpointsKey(service);
      const host = hosts.get(key) ?? { service, endpoints: [], protocols: new Map() };
      hosts.set(key, host);
      gather(host, service, chosen ?? inlineEndpoints(entry, service.hostname, settings));
    }
  }
  const found = new Map<string, ServiceEndpoints>();
  for (const [key, { service, endpoints }] of hosts) {
    if (!endpoints.length) continue;
    const { hostname, namespace } = service;
    const next = { hostname, namespace, endpoints: distinctBy(endpoints, socketOf) };
    found.set(key, keepEndpoints(previous?.value.get(key), next));
  }
  return PersistentMap.of(found);
}

import type { ConfigContents } from '../../config/store.ts';
import type { ServiceEntry, WorkloadEntry } from '../../istio/config.ts';
import type { KubePod } from '../../istio/kubernetes.ts';
import { byAge, compare, selects } from '../../istio/object.ts';
import type { Protocol } from '../../istio/protocol.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { memo } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import { PersistentMap } from '../../persistent-map.ts';
import { changesBetween } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';
import type { Service } from '../services/service.ts';
import { resolutionOf } from '../services/service-entry.ts';
import { type Endpoint, endpointsKey, type ServiceEndpoints } from './endpoint.ts';
import { keepEndpoints, withoutDuplicates } from './kube-endpoints.ts';
import { nodeLocality } from './locality.ts';
import { podIndex } from './pods.ts';
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
      const list = found.get(`${key}=${value}`) ?? [];
      found.set(`${key}=${value}`, list);
      list.push(instance);
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
  const moved = changesBetween(previous.inputs.nodes, nodes).some(
    ({ before, after }) => (before && nodeLocality(before)) !== (after && nodeLocality(after)),
  );
  if (moved) return false;
  const selected = (pod: KubePod | undefined): boolean =>
    pod !== undefined &&
    entries.some(entry => entry.meta.namespace === pod.meta.namespace && selects(selectorOf(entry), pod.meta.labels));
  return !changesBetween(previous.inputs.pods, pods).some(({ before, after }) => selected(before) || selected(after));
}

/** A machine may serve a port of a host more than once, each time on a port of its own. */
const socketOf = ({ address, servicePort, port }: Endpoint): string => `${address} ${servicePort} ${port}`;

/** What the ServiceEntries of one host and namespace bring together, the oldest first. */
interface Gathered {
  readonly service: Service;
  readonly endpoints: Endpoint[];
  readonly protocols: Map<number, Protocol>;
}

/** Endpoints of the hosts of every ServiceEntry; what nothing changed about keeps its identity. */
export function buildExternalEndpoints(
  inputs: ExternalInputs,
  previous: Stage<ExternalInputs, ExternalEndpoints> | undefined,
): ExternalEndpoints {
  const { entries, services, workloads, pods, nodes, settings } = inputs;
  if (!entries.size) return previous?.value.size === 0 ? previous.value : PersistentMap.of();
  const selecting = [...entries.values()].filter(isSelecting);
  if (previous) {
    const last = previous.inputs;
    const same = entries === last.entries && services === last.services && settings === last.settings;
    const sameWorkloads = workloads === last.workloads || !selecting.length;
    if (same && sameWorkloads && (!selecting.length || podsStay(selecting, inputs, previous))) return previous.value;
  }

  const index = podIndex(pods, nodes, settings);
  const podsOf = memo((_: object, namespace: string) =>
    [...pods.values()]
      .filter(pod => pod.meta.namespace === namespace && isUsable(pod))
      .sort((a, b) => compare(a.meta.name, b.meta.name))
      .map(pod => podInstance(pod, index.place(pod))),
  );
  const workloadsOf = memo((_: object, namespace: string) =>
    [...workloads.values()]
      .filter((workload: WorkloadEntry) => workload.healthy && workload.meta.namespace === namespace)
      .sort((a, b) => compare(a.meta.name, b.meta.name))
      .map(workload => workloadEntryInstance(workload, settings)),
  );
  const selectedInstances = (entry: ServiceEntry): readonly WorkloadInstance[] => {
    const { namespace } = entry.meta;
    const selector = selectorOf(entry);
    const ofPods = selected(podsOf(pods, namespace), selector);
    const ofEntries = selected(workloadsOf(workloads, namespace), selector).filter(
      instance => isDns(entry) || !needsDns(instance),
    );
    return [...ofPods, ...ofEntries];
  };

  const lists = new Map<string, Gathered>();
  for (const entry of [...entries.values()].sort(byAge)) {
    const chosen = isSelecting(entry) ? portsOf(entry, selectedInstances(entry)) : undefined;
    for (const service of services.get(entry.meta.key) ?? []) {
      const key = endpointsKey(service);
      const list: Gathered = lists.get(key) ?? { service, endpoints: [], protocols: new Map() };
      lists.set(key, list);
      const own = chosen ?? inlineEndpoints(entry, service.hostname, settings);
      // A port that an older entry has with another protocol is that entry's alone.
      const clashing = new Set(
        service.ports.filter(p => (list.protocols.get(p.port) ?? p.protocol) !== p.protocol).map(p => p.port),
      );
      for (const { port, protocol } of service.ports) if (!clashing.has(port)) list.protocols.set(port, protocol);
      // Envoy's LOGICAL_DNS takes one endpoint a port: the oldest entry's first one.
      const taken = new Set(list.endpoints.map(e => e.servicePort));
      for (const endpoint of own) {
        if (clashing.has(endpoint.servicePort)) continue;
        if (service.resolution === 'DNSRoundRobinLB' && taken.has(endpoint.servicePort)) continue;
        taken.add(endpoint.servicePort);
        list.endpoints.push(endpoint);
      }
    }
  }
  const found = new Map<string, ServiceEndpoints>();
  for (const [key, { service, endpoints }] of lists) {
    if (!endpoints.length) continue;
    const { hostname, namespace } = service;
    found.set(
      key,
      keepEndpoints(previous?.value.get(key), {
        hostname,
        namespace,
        endpoints: withoutDuplicates(endpoints, socketOf),
      }),
    );
  }
  return PersistentMap.of(found);
}

const podInstance = memo(
  (pod: KubePod, place: WorkloadInstance['place']): WorkloadInstance => ({
    address: pod.ips[0] ?? '',
    ports: Object.fromEntries(pod.containerPorts.filter(port => port.name).map(port => [port.name, port.port])),
    labels: pod.meta.labels,
    weight: 0,
    place,
  }),
);

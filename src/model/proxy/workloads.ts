import type { Sidecar } from '../../istio/config.ts';
import { mergeLabels } from '../../istio/labels.ts';
import { addTo } from '../../lists.ts';
import { memo, one, oneList } from '../../memo.ts';
import { type AddressIndex, servicesAt } from '../endpoints/address-index.ts';
import { type Endpoint, type EndpointIndex, endpointsKey, serves } from '../endpoints/endpoint.ts';
import type { ExternalEndpoints } from '../endpoints/external-endpoints.ts';
import type { PodShape } from '../endpoints/pods.ts';
import { internShape } from '../endpoints/pods.ts';
import type { PolicyIndex, WorkloadPolicies } from '../policies/policies.ts';
import type { ProxyShape } from '../scope/scope.ts';
import { type SidecarIndex, sidecarFor } from '../scope/sidecars.ts';
import type { Service, ServiceTarget } from '../services/service.ts';
import type { ServiceIndex } from '../services/service-index.ts';
import type { Proxy, ProxyClass } from './proxy.ts';
import { addressedTargets, selectedTargets, selectingServices, serviceTarget, sortTargets } from './targets.ts';
import type { Workload } from './workload.ts';

export interface WorkloadInputs {
  readonly services: ServiceIndex;
  readonly external: ExternalEndpoints;
  readonly sidecars: SidecarIndex;
  readonly policies: PolicyIndex;
}

/** Finds the workload of proxies. */
export interface WorkloadIndex {
  /** `endpoints`, and `addresses` made from them, are asked only for what no selector tells. */
  workloadOf(proxy: Proxy, shape: ProxyShape, endpoints: EndpointIndex, addresses: AddressIndex): Workload;
}

interface PodPort {
  readonly name?: unknown;
  readonly containerPort?: unknown;
  readonly protocol?: unknown;
}

/** POD_PORTS of the metadata: the container ports as the agent tells them. */
function podPorts(text: string | undefined): PodShape['ports'] {
  let told: unknown;
  try {
    told = JSON.parse(text || '[]');
  } catch {
    return [];
  }
  return (Array.isArray(told) ? (told as readonly PodPort[]) : []).flatMap(port =>
    typeof port === 'object' && port !== null && typeof port.containerPort === 'number'
      ? [
          {
            name: typeof port.name === 'string' ? port.name : '',
            port: port.containerPort,
            protocol: typeof port.protocol === 'string' ? port.protocol : 'TCP',
          },
        ]
      : [],
  );
}

const staticLabels = memo((metadata: ProxyClass['metadata']): Readonly<Record<string, string>> => {
  try {
    const told: unknown = JSON.parse(metadata['STATIC_LABELS'] ?? '{}');
    return typeof told === 'object' && told !== null
      ? Object.fromEntries(Object.entries(told).map(([k, v]) => [k, String(v)]))
      : {};
  } catch {
    return {};
  }
});

/** What a proxy of a class is, by its pod where that is known: the pod's labels win over the Node's, as in istiod. */
export const shapeOf: (proxy: ProxyClass, pod: PodShape | undefined) => PodShape = memo((proxy, pod) => {
  const { metadata } = proxy;
  return internShape({
    labels: pod ? mergeLabels(staticLabels(metadata), pod.labels) : proxy.labels,
    workload: metadata['WORKLOAD_NAME'] || (pod?.workload ?? ''),
    serviceAccount: metadata['SERVICE_ACCOUNT'] || (pod?.serviceAccount ?? ''),
    ports: pod?.ports ?? podPorts(metadata['POD_PORTS']),
  });
});

/** The shape with ports that a WorkloadEntry, or endpoints of the proxy's own address, give to names. */
export function withNamedPorts(
  shape: PodShape,
  proxy: Proxy,
  services: readonly Service[],
  entry: Readonly<Record<string, number>> | undefined,
  endpoints: EndpointIndex,
): PodShape {
  const selecting = selectingServices(services, shape.labels);
  if (!entry && !selecting.length) return shape;
  const known = new Set(shape.ports.map(port => port.name));
  const ports = Object.entries(entry ?? {}).map(([name, port]) => ({ name, port, protocol: 'TCP' }));
  for (const service of selecting) {
    for (const { name, targetPort } of service.ports) {
      if (typeof targetPort === 'number' || known.has(targetPort)) continue;
      const own = endpoints
        .get(endpointsKey(service))
        ?.endpoints.find(e => e.portName === name && proxy.addresses.includes(e.address));
      if (own) ports.push({ name: targetPort, port: own.port, protocol: 'TCP' });
    }
  }
  return ports.length ? internShape({ ...shape, ports: [...ports, ...shape.ports] }) : shape;
}

/** The ServiceEntries' Services of a list and the endpoints of their hosts. Many may share the endpoints of one host. */
const externalAddresses = memo((services: readonly Service[], external: ExternalEndpoints) => {
  const byHost = new Map<string, Service[]>();
  for (const service of services) {
    if (service.registry !== 'External') continue;
    const key = endpointsKey(service);
    addTo(byHost, key, service);
  }
  const byAddress = new Map<string, { readonly endpoint: Endpoint; readonly services: readonly Service[] }[]>();
  for (const [key, services] of byHost) {
    for (const endpoint of external.get(key)?.endpoints ?? []) {
      addTo(byAddress, endpoint.address, { endpoint, services });
    }
  }
  return byAddress;
});

/** What an address serves of the ServiceEntries of a list. */
const externalTargets = (
  services: readonly Service[],
  external: ExternalEndpoints,
  address: string,
): readonly ServiceTarget[] =>
  (externalAddresses(services, external).get(address) ?? []).flatMap(({ endpoint, services }) =>
    services.flatMap(service => {
      const port = service.ports.find(p => serves(endpoint, p));
      return port ? [serviceTarget(service, port, endpoint.port)] : [];
    }),
  );

const withoutSelector = memo((services: readonly Service[]): readonly Service[] =>
  services.filter(s => s.registry === 'Kubernetes' && s.resolution !== 'Alias' && !Object.keys(s.selector).length),
);

/** Whether the Sidecar has listeners on the pod's own address, where it names no other, or hands traffic to it (`0.0.0.0`, `[::]`). */
const usesOwnAddress = (sidecar: Sidecar | undefined): boolean =>
  sidecar?.spec.ingress?.some(
    ({ bind = '', defaultEndpoint = '' }) => bind === '' || /^(0\.0\.0\.0|\[::\]):/.test(defaultEndpoint),
  ) ?? false;

const none: readonly Service[] = Object.freeze([]);
const noTargets: readonly ServiceTarget[] = Object.freeze([]);
const noAddresses: readonly string[] = Object.freeze([]);

/** What the labels of proxies of a shape tell about them. */
interface Selected {
  readonly services: readonly Service[];
  readonly targets: readonly ServiceTarget[];
  readonly sidecar: Sidecar | undefined;
  readonly policies: WorkloadPolicies;
}

/** The workloads of one mesh; every part of a workload that is as before is the one before. */
export function workloadIndex({ services, external, sidecars, policies }: WorkloadInputs): WorkloadIndex {
  const selected = memo(({ type, namespace: { name: namespace }, pod }: ProxyShape): Selected => {
    const selecting = selectingServices(services.inNamespace.get(namespace) ?? none, pod.labels);
    return {
      services: selecting,
      targets: selectedTargets(selecting, pod.ports),
      sidecar: type === 'sidecar' ? sidecarFor(sidecars, namespace, pod.labels) : undefined,
      policies: policies.policiesFor(namespace, pod.labels),
    };
  });

  /** `more` are targets by address. */
  const workload = (shape: ProxyShape, more: readonly ServiceTarget[], own: readonly string[]): Workload => {
    const { targets, sidecar, policies: found } = selected(shape);
    return one({
      namespace: shape.namespace.name,
      labels: shape.pod.labels,
      name: shape.pod.workload,
      serviceAccount: shape.pod.serviceAccount,
      targets: oneList(sortTargets([...targets, ...more])),
      policies: found,
      sidecar,
      ownAddresses: oneList(own),
    });
  };
  /** Of proxies whose addresses say nothing about them. */
  const plain = memo((shape: ProxyShape): Workload => workload(shape, noTargets, noAddresses));

  return {
    workloadOf({ addresses: own }, shape, endpoints, addresses) {
      const all = services.inNamespace.get(shape.namespace.name) ?? none;
      const byAddress = own.flatMap(address => externalTargets(all, external, address));
      const { services: selecting, sidecar } = selected(shape);
      const [address] = own;
      const direct =
        selecting.length || address === undefined
          ? noTargets
          : addressedTargets(servicesAt(addresses, withoutSelector(all), address), endpoints, address);
      const more = direct.length ? [...direct, ...byAddress] : byAddress;
      const isHeadless = selecting.some(s => s.headless) || more.some(target => target.service.headless);
      if (isHeadless || usesOwnAddress(sidecar)) return workload(shape, more, own);
      return more.length ? workload(shape, more, noAddresses) : plain(shape);
    },
  };
}

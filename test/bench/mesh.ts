import type { RawObject } from '../../src/config/raw.ts';

/** Which objects a made-up mesh has. */
export interface MeshSize {
  readonly services: number;
  readonly endpoints: number;
  /** A VirtualService and a DestinationRule with subsets for each Service. */
  readonly rules?: boolean;
  /** The n-th Service selects the n-th of so many workloads. */
  readonly workloads?: number;
}

const name = (service: number): string => `svc-${service}`;
const address = (service: number, endpoint: number): string =>
  `10.${1 + endpoint}.${Math.floor(service / 250)}.${1 + (service % 250)}`;

/** An EndpointSlice; `moved` changes its first address. */
export const slice = (service: number, endpoints: number, moved = 0): RawObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: name(service), namespace: 'load', labels: { 'kubernetes.io/service-name': name(service) } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: Array.from({ length: endpoints }, (_, e) => ({
    addresses: [e === 0 && moved ? `10.250.${Math.floor(moved / 250)}.${1 + (moved % 250)}` : address(service, e)],
    conditions: { ready: true },
  })),
});

/** A VirtualService that adds a header with this value. */
export const virtualService = (service: number, mark: string): RawObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: name(service), namespace: 'load' },
  spec: {
    hosts: [name(service)],
    http: [{ headers: { request: { set: { 'x-mark': mark } } }, route: [{ destination: { host: name(service) } }] }],
  },
});

export const service = (index: number, selector?: Readonly<Record<string, string>>): RawObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: name(index), namespace: 'load' },
  spec: {
    clusterIP: `10.96.${Math.floor(index / 250)}.${1 + (index % 250)}`,
    ports: [{ name: 'http', port: 80, targetPort: 8080 }],
    ...(selector && { selector }),
  },
});

/** A DestinationRule with two subsets. */
export const destinationRule = (index: number): RawObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: name(index), namespace: 'load' },
  spec: { host: name(index), subsets: ['v1', 'v2'].map(version => ({ name: version, labels: { version } })) },
});

/** All objects of the mesh. */
export function meshObjects({ services, endpoints, rules = false, workloads = 0 }: MeshSize): readonly RawObject[] {
  const all = Array.from({ length: services }, (_, i) => i);
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'load' } },
    ...all.map(i => service(i, i < workloads ? { app: `client-${i}` } : undefined)),
    ...all.map(i => slice(i, endpoints)),
    ...(rules ? [...all.map(i => virtualService(i, 'none')), ...all.map(destinationRule)] : []),
  ];
}

/** Namespaces of clients, each with a Sidecar. */
export const clientNamespaces = (count: number): readonly RawObject[] =>
  Array.from({ length: count }, (_, i) => [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: `load-${i}` } },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Sidecar',
      metadata: { name: 'default', namespace: `load-${i}` },
      spec: { egress: [{ hosts: ['./*', 'load/*', `load-${(i + 1) % count}/*`] }] },
    },
  ]).flat();

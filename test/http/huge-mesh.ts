import type { RawObject } from '../../src/config/raw.ts';

/** How much of each there is. */
export interface HugeMesh {
  readonly services: number;
  /** Of one Service. */
  readonly endpoints: number;
  /** Of one gateway's route. */
  readonly hosts: number;
  /** Hosts of ServiceEntries, which the name table has besides the Services. */
  readonly names: number;
}

const NAMESPACE = 'load';
const many = <T>(count: number, make: (index: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const named = (name: string): { readonly name: string; readonly namespace: string } => ({ name, namespace: NAMESPACE });
const address = (net: number, i: number): string => `${net}.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
/** So many hosts, or endpoints, are in one object. */
const TOGETHER = 100;
const grouped = <T>(count: number, make: (index: number) => T): readonly (readonly T[])[] =>
  many(Math.ceil(count / TOGETHER), group =>
    many(Math.min(TOGETHER, count - group * TOGETHER), i => make(group * TOGETHER + i)),
  );

const service = (name: string, at: number): RawObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: named(name),
  spec: { clusterIP: address(10, 0x600000 + at), ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
});

const slice = (of: string, name: string, addresses: readonly string[]): RawObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { ...named(name), labels: { 'kubernetes.io/service-name': of } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: addresses.map(each => ({ addresses: [each], conditions: { ready: true } })),
});

/** Each kind of list that a page can have, as long as it is told: many Services, one of many endpoints, one with them in its cluster, a route of many hosts. */
export function hugeMesh({ services, endpoints, hosts, names }: HugeMesh): readonly RawObject[] {
  const inNetworking = (kind: string, name: string, spec: object): RawObject => ({
    apiVersion: 'networking.istio.io/v1',
    kind,
    metadata: named(name),
    spec,
  });
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    ...many(services, i => service(`svc-${i}`, i + 1)),
    ...many(services, i => slice(`svc-${i}`, `svc-${i}`, [address(11, i + 1), address(12, i + 1)])),
    service('wide', services + 1),
    ...grouped(endpoints, i => address(13, i + 1)).map((group, i) => slice('wide', `wide-${i}`, group)),
    inNetworking('ServiceEntry', 'inline', {
      hosts: ['inline.example.com'],
      location: 'MESH_EXTERNAL',
      resolution: 'DNS',
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      endpoints: many(endpoints / 4, i => ({ address: `host-${i}.example.com` })),
    }),
    ...grouped(names, i => `name-${i}.example.com`).map((group, i) =>
      inNetworking('ServiceEntry', `names-${i}`, {
        hosts: group,
        addresses: [address(240, i + 1)],
        location: 'MESH_EXTERNAL',
        resolution: 'STATIC',
        ports: [{ number: 9000, name: 'tcp', protocol: 'TCP' }],
        endpoints: [{ address: address(14, i + 1) }],
      }),
    ),
    inNetworking('Gateway', 'front', {
      selector: { app: 'gateway' },
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    }),
    ...grouped(hosts, i => `shop-${i}.example.com`).map((group, i) =>
      inNetworking('VirtualService', `front-${i}`, {
        hosts: group,
        gateways: ['front'],
        http: [{ route: [{ destination: { host: `svc-${i}.${NAMESPACE}.svc.cluster.local` } }] }],
      }),
    ),
    inNetworking('VirtualService', 'long', {
      hosts: ['svc-0'],
      http: many(hosts / 4, i => ({
        match: [{ uri: { exact: `/page-${i}` } }],
        route: [{ destination: { host: 'svc-0' } }],
      })),
    }),
    {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: named('long'),
      spec: {
        rules: [{ from: [{ source: { principals: many(hosts / 4, i => `cluster.local/ns/load/sa/user-${i}`) } }] }],
      },
    },
    inNetworking('EnvoyFilter', 'long', {
      configPatches: [
        {
          applyTo: 'CLUSTER',
          match: { cluster: { name: 'outbound|80||svc-1.load.svc.cluster.local' } },
          patch: {
            operation: 'MERGE',
            value: {
              metadata: {
                filter_metadata: { long: { list: many(hosts / 4, i => ({ name: `name-${i}`, value: i })) } },
              },
            },
          },
        },
      ],
    }),
  ];
}

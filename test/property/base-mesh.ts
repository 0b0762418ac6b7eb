import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { parseNode } from '../../src/model/proxy/node.ts';
import type { Proxy } from '../../src/model/proxy/proxy.ts';
import type { Node } from '../../src/proto/generated/envoy/config/core/v3.ts';
import { fromJson } from '../../src/proto/json.ts';
import { World } from '../../src/world.ts';
import { objectOf } from './objects.ts';

const service = (name: string, clusterIP: string, ports: readonly object[], app = name): RawObject =>
  objectOf('Service', name, 'default', { spec: { clusterIP, selector: { app }, ports } });

const pod = (name: string, podIP: string, app: string, labels: Readonly<Record<string, string>> = {}): RawObject => ({
  ...objectOf('Pod', name, 'default', {
    spec: {
      nodeName: 'node-1',
      serviceAccountName: app,
      containers: [{ name: 'app', ports: [{ name: 'http', containerPort: 8080 }] }],
    },
    status: { podIP, phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  }),
  metadata: {
    name,
    namespace: 'default',
    labels: { app, version: 'v1', 'security.istio.io/tlsMode': 'istio', ...labels },
  },
});

const slice = (of: string, address: string, podName: string, ports: readonly object[]): RawObject => ({
  ...objectOf('EndpointSlice', `${of}-1`, 'default', {
    addressType: 'IPv4',
    ports,
    endpoints: [
      {
        addresses: [address],
        conditions: { ready: true },
        targetRef: { kind: 'Pod', name: podName, namespace: 'default' },
      },
    ],
  }),
  metadata: { name: `${of}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': of } },
});

const webPorts = [
  { name: 'http', port: 80, targetPort: 8080 },
  { name: 'https', port: 8443 },
  { name: 'tcp', port: 9000 },
  { name: 'grpc', port: 9090 },
  { name: 'any', port: 7000 },
];

/** A small mesh that others are put into: two Services, one of them headless, their pods, a client, a gateway and what routes between them. */
export const baseObjects: readonly RawObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: 'node-1',
      labels: { 'topology.kubernetes.io/region': 'r1', 'topology.kubernetes.io/zone': 'z1' },
    },
  },
  service('web', '10.96.0.10', webPorts),
  service('db', 'None', [{ name: 'tcp', port: 3306 }], 'web'),
  service('edge', '10.96.0.12', [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'https', port: 443, targetPort: 8443 },
  ]),
  pod('client', '10.1.0.1', 'client'),
  pod('web-1', '10.1.0.10', 'web'),
  pod('edge-1', '10.1.0.20', 'edge', { istio: 'ingressgateway' }),
  slice(
    'web',
    '10.1.0.10',
    'web-1',
    webPorts.map(({ name, port, targetPort = port }) => ({ name, port: targetPort })),
  ),
  slice('db', '10.1.0.10', 'web-1', [{ name: 'tcp', port: 3306 }]),
  objectOf('Gateway', 'edge', 'default', {
    spec: {
      selector: { istio: 'ingressgateway' },
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    },
  }),
  objectOf('DestinationRule', 'web', 'default', {
    spec: { host: 'web', subsets: [{ name: 'v1', labels: { version: 'v1' } }] },
  }),
  objectOf('ServiceEntry', 'outside', 'default', {
    spec: {
      hosts: ['outside.example.com'],
      resolution: 'DNS',
      ports: [
        { number: 443, name: 'tls', protocol: 'TLS' },
        { number: 80, name: 'http', protocol: 'HTTP' },
      ],
    },
  }),
  objectOf('ServiceEntry', 'wild', 'default', {
    spec: {
      hosts: ['*.wild.example.com'],
      resolution: 'NONE',
      ports: [
        { number: 443, name: 'tls', protocol: 'TLS' },
        { number: 80, name: 'http', protocol: 'HTTP' },
      ],
    },
  }),
];

const nodeOf = (type: 'sidecar' | 'router', name: string, ip: string, labels: object, agent: boolean): Node => {
  const { value, problems } = fromJson('envoy.config.core.v3.Node', {
    id: `${type}~${ip}~${name}.default~default.svc.cluster.local`,
    cluster: name,
    metadata: {
      CLUSTER_ID: 'Kubernetes',
      NAMESPACE: 'default',
      NAME: name,
      LABELS: labels,
      INSTANCE_IPS: ip,
      ...(agent && { ISTIO_VERSION: '1.31.0', MESH_ID: 'cluster.local' }),
    },
    user_agent_name: 'envoy',
    user_agent_build_version: { version: { major_number: 1, minor_number: 40, patch: 0 } },
  });
  if (problems.length) throw new Error(JSON.stringify(problems));
  return value;
};

/** The Node messages of the proxies that are asked for. */
export const nodes: Readonly<Record<string, Node>> = {
  'client with agent': nodeOf('sidecar', 'client', '10.1.0.1', { app: 'client' }, true),
  'server with agent': nodeOf('sidecar', 'web-1', '10.1.0.10', { app: 'web', version: 'v1' }, true),
  'server without agent': nodeOf('sidecar', 'web-1', '10.1.0.10', { app: 'web', version: 'v1' }, false),
  gateway: nodeOf('router', 'edge-1', '10.1.0.20', { app: 'edge', istio: 'ingressgateway' }, true),
};

const proxyOf = (node: Node): Proxy => {
  const parsed = parseNode(node);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.proxy;
};

/** The proxies that are asked for. */
export const proxies = Object.fromEntries(Object.entries(nodes).map(([name, node]) => [name, proxyOf(node)]));

/** The mesh with other objects in it. */
export function worldWith(objects: readonly RawObject[]): World {
  const store = new ConfigStore();
  for (const object of [...baseObjects, ...objects]) store.apply({ op: 'upsert', object });
  return new World(store.contents(), {
    domain: 'cluster.local',
    rootNamespace: 'istio-system',
    clusterId: 'Kubernetes',
  });
}

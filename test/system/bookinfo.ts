// Bookinfo as Deployments whose sidecars are written by hand: what injection will do. Run as a program it prints them for kubectl.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrapOf } from '../../src/cli/bootstrap.ts';
import { nowhere } from '../../src/model/endpoints/locality.ts';
import { objectKey } from '../../src/object-key.ts';

/** One of bookinfo's workloads, and the Services that it asks for each request. */
interface Workload {
  readonly app: string;
  readonly version: string;
  readonly asks: readonly string[];
}

const WORKLOADS: readonly Workload[] = [
  { app: 'productpage', version: 'v1', asks: ['details', 'reviews'] },
  { app: 'details', version: 'v1', asks: [] },
  { app: 'reviews', version: 'v1', asks: [] },
  { app: 'reviews', version: 'v2', asks: ['ratings'] },
  { app: 'ratings', version: 'v1', asks: [] },
];

const PROXY = 'docker.io/lab/proxy:1';
const APP = 'localhost/app:1';
const PROXY_UID = 1337;
const PROGRAM = join(import.meta.dirname, 'bookinfo-app.mjs');

/** The nat rules of Istio's REDIRECT mode: everything in goes to 15006, everything out to 15001, but what the proxy itself sends. */
const RULES = `
iptables -t nat -N ISTIO_REDIRECT
iptables -t nat -A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
iptables -t nat -N ISTIO_IN_REDIRECT
iptables -t nat -A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
iptables -t nat -A PREROUTING -p tcp -j ISTIO_IN_REDIRECT
iptables -t nat -N ISTIO_OUTPUT
iptables -t nat -A OUTPUT -p tcp -j ISTIO_OUTPUT
iptables -t nat -A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN
iptables -t nat -A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -m owner --uid-owner ${PROXY_UID} -j ISTIO_IN_REDIRECT
iptables -t nat -A ISTIO_OUTPUT -o lo -m owner ! --uid-owner ${PROXY_UID} -j RETURN
iptables -t nat -A ISTIO_OUTPUT -m owner --uid-owner ${PROXY_UID} -j RETURN
iptables -t nat -A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
iptables -t nat -A ISTIO_OUTPUT -j ISTIO_REDIRECT
`;

/** Kubernetes' way to write a container's environment variable in its arguments. */
const fromEnv = { POD_NAME: 'metadata.name', POD_IP: 'status.podIP', NODE_NAME: 'spec.nodeName' };

/** What `pilotlight bootstrap` prints for a pod, its names and addresses left to the kubelet. */
const bootstrap = ({ app, version }: Workload): object =>
  bootstrapOf({
    pod: {
      kind: 'Pod',
      meta: {
        key: objectKey('Pod', 'default', app),
        name: '$(POD_NAME)',
        namespace: 'default',
        labels: { app, version },
        annotations: {},
        createdAt: 0,
        resourceVersion: '',
      },
      ips: ['$(POD_IP)'],
      node: '$(NODE_NAME)',
      serviceAccount: `bookinfo-${app}`,
      hostname: '',
      subdomain: '',
      hostNetwork: false,
      phase: 'Running',
      ready: true,
      containers: [],
      containerPorts: [],
      ownerKind: 'Deployment',
      ownerName: `${app}-${version}`,
    },
    type: 'sidecar',
    domain: 'cluster.local',
    clusterId: 'Kubernetes',
    locality: nowhere,
    interception: 'REDIRECT',
    xds: { host: 'istiod.istio-system.svc', port: 15010 },
    admin: { host: '127.0.0.1', port: 15000 },
  });

const sidecar = (workload: Workload): object => ({
  name: 'istio-proxy',
  image: PROXY,
  restartPolicy: 'Always',
  command: [
    'envoy',
    '--concurrency',
    '1',
    '--log-level',
    'warning',
    '--config-yaml',
    JSON.stringify(bootstrap(workload)),
  ],
  env: Object.entries(fromEnv).map(([name, fieldPath]) => ({ name, valueFrom: { fieldRef: { fieldPath } } })),
  startupProbe: {
    exec: { command: ['curl', '-sf', '-o', '/dev/null', 'http://127.0.0.1:15000/ready'] },
    periodSeconds: 1,
    failureThreshold: 120,
  },
  resources: { requests: { cpu: '10m', memory: '64Mi' } },
  securityContext: {
    runAsUser: PROXY_UID,
    runAsGroup: PROXY_UID,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
  },
});

const interception = {
  name: 'istio-init',
  image: PROXY,
  command: ['sh', '-ec', RULES],
  securityContext: {
    runAsUser: 0,
    runAsNonRoot: false,
    capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
  },
};

function deployment(workload: Workload): object {
  const { app, version, asks } = workload;
  const name = `${app}-${version}`;
  const labels = { app, version };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default', labels },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: `bookinfo-${app}`,
          terminationGracePeriodSeconds: 1,
          initContainers: [interception, sidecar(workload)],
          containers: [
            {
              name: app,
              image: APP,
              command: ['node', '--input-type=module', '--eval', readFileSync(PROGRAM, 'utf8')],
              env: Object.entries({ NAME: app, VERSION: version, ASKS: asks.join(' ') }).map(([key, value]) => ({
                name: key,
                value,
              })),
              ports: [{ containerPort: 9080 }],
              // Through the sidecar: ready means that the pod is part of the mesh.
              readinessProbe: { httpGet: { path: '/healthz', port: 9080 }, periodSeconds: 1 },
              resources: { requests: { cpu: '10m', memory: '64Mi' } },
            },
          ],
        },
      },
    },
  };
}

/** The ServiceAccounts and Deployments; Services and DestinationRules are those of deploy/samples/bookinfo. */
export function bookinfo(): object {
  const accounts = new Set(WORKLOADS.map(({ app }) => `bookinfo-${app}`));
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      ...[...accounts].map(name => ({
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name, namespace: 'default' },
      })),
      ...WORKLOADS.map(deployment),
    ],
  };
}

/** How requests for reviews are split between its versions. */
export const split = (v1: number, v2: number): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'reviews', namespace: 'default' },
  spec: {
    hosts: ['reviews'],
    http: [
      {
        route: [
          { destination: { host: 'reviews', subset: 'v1' }, weight: v1 },
          { destination: { host: 'reviews', subset: 'v2' }, weight: v2 },
        ],
      },
    ],
  },
});

if (import.meta.main) console.log(JSON.stringify(bookinfo()));

// Bookinfo as Deployments of the names, labels, accounts and ports that Istio's sample has; their sidecars are injected. Run as a program it prints
// them for kubectl.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

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

const APP = 'localhost/app:1';
const PROGRAM = join(import.meta.dirname, 'bookinfo-app.mjs');

/** Which sidecar a workload's pods have, where it is not the one of the settings. */
type Template = 'envoy' | 'istio-proxy';

function deployment(workload: Workload, template: Template | undefined): object {
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
        metadata: { labels, ...(template && { annotations: { 'inject.istio.io/templates': template } }) },
        spec: {
          serviceAccountName: `bookinfo-${app}`,
          terminationGracePeriodSeconds: 10,
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
              // Through the sidecar, whatever mutual TLS others have to speak.
              readinessProbe: { httpGet: { path: '/healthz', port: 9080 }, periodSeconds: 1 },
              resources: { requests: { cpu: '10m', memory: '64Mi' } },
              // Until nobody sends it requests any more.
              lifecycle: { preStop: { sleep: { seconds: 3 } } },
            },
          ],
        },
      },
    },
  };
}

/** The ServiceAccounts and Deployments; Services and DestinationRules are those of deploy/samples/bookinfo. */
export function bookinfo(templates: { readonly [workload: string]: Template } = {}): object {
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
      ...WORKLOADS.map(workload => deployment(workload, templates[`${workload.app}-${workload.version}`])),
    ],
  };
}

/** Everything that comes to the ingress gateway goes to productpage. */
export const ingress: readonly object[] = [
  {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'bookinfo-gateway', namespace: 'default' },
    spec: {
      selector: { istio: 'ingressgateway' },
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    },
  },
  {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'bookinfo', namespace: 'default' },
    spec: {
      hosts: ['*'],
      gateways: ['bookinfo-gateway'],
      http: [{ route: [{ destination: { host: 'productpage', port: { number: 9080 } } }] }],
    },
  },
];

/** Only who speaks mutual TLS is served. */
export const strict: object = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default', namespace: 'istio-system' },
  spec: { mtls: { mode: 'STRICT' } },
};

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

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const SOURCE = join(import.meta.dirname, '../lab/cluster/istio-source.sh');

/** The program that stands in for each of bookinfo's services. */
export const PROGRAM = join(import.meta.dirname, 'bookinfo-app.mjs');

/** The folder `samples/bookinfo` of Istio's source. */
export async function samples(): Promise<string> {
  const { stdout } = await promisify(execFile)(SOURCE);
  return join(stdout.trim(), 'samples/bookinfo');
}

/** Its Deployments: the name, and the container that is the app. */
export const WORKLOADS: readonly (readonly [deployment: string, container: string])[] = [
  ['productpage-v1', 'productpage'],
  ['details-v1', 'details'],
  ['reviews-v1', 'reviews'],
  ['reviews-v2', 'reviews'],
  ['reviews-v3', 'reviews'],
  ['ratings-v1', 'ratings'],
];

/** Which sidecar a workload's pods have, where it is not the one of the settings. */
export type Template = 'envoy' | 'istio-proxy';

/** A readiness probe that only tells whether an app has begun to answer: a busy machine is no reason to send it no requests. */
export const hasBegun = (path: string, port: number): object => ({
  httpGet: { path, port },
  periodSeconds: 1,
  timeoutSeconds: 30,
  failureThreshold: 30,
});

/** A patch by which no request is lost while pods come and go: they get none before they answer, and end when they get none any more. */
export const lossless = (container: string, template: Template | undefined): object => ({
  spec: {
    template: {
      metadata: { annotations: template ? { 'inject.istio.io/templates': template } : {} },
      spec: {
        terminationGracePeriodSeconds: 120,
        containers: [
          {
            name: container,
            readinessProbe: hasBegun('/health', 9080),
            lifecycle: { preStop: { sleep: { seconds: 3 } } },
          },
        ],
      },
    },
  },
});

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

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { until } from '../support/until.ts';
import type { LabCluster } from './lab-cluster.ts';
import { request } from './traffic.ts';

/**
 * Istio's Helm charts as they are, each in a namespace of its own. The first listens where its Service does, on 80, as nobody in particular; the second
 * is the one of `istioctl install`, for which bookinfo's Gateway is written.
 */
const charts = [
  { name: 'istio-ingress', namespace: 'istio-ingress', file: 'gateway.yaml' },
  { name: 'istio-ingressgateway', namespace: 'istio-gateways', file: 'istio-ingress.yaml' },
];

/** Bookinfo through the first, as Istio's documentation of that chart has it: `istio: ingress`, port 80. */
const onPort80: readonly object[] = [
  {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'port-80', namespace: 'default' },
    spec: {
      selector: { istio: 'ingress' },
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    },
  },
  {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'port-80', namespace: 'default' },
    spec: {
      hosts: ['*'],
      gateways: ['port-80'],
      http: [{ route: [{ destination: { host: 'productpage', port: { number: 9080 } } }] }],
    },
  },
];

/** What bookinfo answers through a gateway of each chart; `after` is told how to take them away. */
export async function throughCharts(
  cluster: LabCluster,
  after: (end: () => Promise<unknown>) => void,
): Promise<readonly string[]> {
  after(() => cluster.kubectl('delete', 'gateway/port-80', 'virtualservice/port-80', '-n', 'default'));
  const namespaces = charts.map(({ namespace }) => namespace);
  after(() => cluster.kubectl('delete', 'namespace', ...namespaces, '--wait=false'));
  const made = namespaces.map(name => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }));
  await cluster.apply({ apiVersion: 'v1', kind: 'List', items: [...made, ...onPort80] });
  await cluster.kubectl('apply', ...charts.flatMap(({ file }) => ['-f', join(import.meta.dirname, 'charts', file)]));
  const answers: string[] = [];
  for (const { name, namespace } of charts) {
    await cluster.rolledOut(name, namespace);
    const [pod] = await cluster.pods(`app=${name}`, namespace);
    assert.deepEqual(
      pod?.spec.containers.map(container => container.name),
      ['istio-proxy'],
    );
    const url = `http://${await cluster.clusterIp(name, namespace)}/productpage`;
    answers.push(await until(`${namespace}/${name} to route`, () => request(url)));
  }
  return answers;
}

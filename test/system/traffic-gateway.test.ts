import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Seen } from '../support/pod.ts';
import { until } from '../support/until.ts';
import { PodMesh, whoAnswered } from './pod-mesh.ts';

const INGRESS = '10.108.4.104';

const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: simple, namespace: demo}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ['*.demo.example']
---
`;

const routes = (host: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: simple, namespace: demo}
spec:
  hosts: [${host}]
  gateways: [simple]
  http:
  - match: [{uri: {prefix: /v1/}}]
    rewrite: {uri: /}
    route: [{destination: {host: web, subset: v1, port: {number: 80}}}]
  - match: [{uri: {exact: /hello}, headers: {user: {exact: zhongmingmao}}}]
    route: [{destination: {host: web, subset: v2, port: {number: 80}}}]
  - match: [{uri: {exact: /hello}}]
    route: [{destination: {host: web, subset: v1, port: {number: 80}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: demo}
spec:
  host: web
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`;

const web = (version: string) => ({
  name: `web-${version}`,
  namespace: 'demo',
  labels: { app: 'web', version },
  ports: [8000],
});

describe('an ingress gateway', { timeout: 3_600_000 }, () => {
  let mesh: PodMesh;
  before(async () => {
    mesh = await PodMesh.start({
      pods: [
        { name: 'visitor', labels: {}, proxy: 'none', outside: true },
        {
          name: 'istio-ingressgateway',
          namespace: 'istio-system',
          labels: { app: 'istio-ingressgateway', istio: 'ingressgateway' },
          proxy: 'router',
        },
        web('v1'),
        web('v2'),
      ],
      services: [
        {
          name: 'istio-ingressgateway',
          namespace: 'istio-system',
          clusterIP: INGRESS,
          selector: { istio: 'ingressgateway' },
          port: 80,
          targetPort: 8080,
          portName: 'http2',
        },
        {
          name: 'web',
          namespace: 'demo',
          clusterIP: '10.96.0.80',
          selector: { app: 'web' },
          port: 80,
          targetPort: 8000,
        },
      ],
      yaml: gateway + routes('web.demo.example'),
    });
    await until('the gateway to listen', async () => (await get('web.demo.example', '/hello')).status === 200);
  });
  after(() => mesh?.stop());

  async function get(host: string, path: string, headers: Record<string, string> = {}) {
    const [answer] = await mesh.pod('visitor').app.calls({ address: INGRESS, port: 80, host, path, headers });
    if (!answer) throw new Error('no answer');
    return answer;
  }

  test('answers 200 for a host and path that a VirtualService has, 404 for others', async () => {
    assert.equal((await get('web.demo.example', '/hello')).status, 200);
    assert.equal((await get('web.demo.example', '/hallo')).status, 404);
    assert.equal((await get('other.demo.example', '/hello')).status, 404);
    assert.equal((await get('web.example', '/hello')).status, 404);
  });

  test('rewrites a prefix', async () => {
    const answer = await get('web.demo.example', '/v1/books?id=7');
    const { pod, path, headers } = JSON.parse(answer.body) as Seen;
    assert.deepEqual({ pod, path }, { pod: 'web-v1', path: '/books?id=7' });
    assert.equal(headers['x-envoy-original-path'], '/v1/books?id=7');
  });

  test('sends the user with the header to the canary', async () => {
    assert.equal(whoAnswered(await get('web.demo.example', '/hello')), 'web-v1');
    assert.equal(whoAnswered(await get('web.demo.example', '/hello', { user: 'zhongmingmao' })), 'web-v2');
    assert.equal(whoAnswered(await get('web.demo.example', '/hello', { user: 'somebody' })), 'web-v1');
  });

  test('follows a VirtualService to another host', async () => {
    await mesh.write('users.yaml', gateway + routes('other.demo.example'));
    await until('the new host', async () => (await get('other.demo.example', '/hello')).status === 200);
    assert.equal((await get('web.demo.example', '/hello')).status, 404);
  });

  test('without its Gateway nothing listens', async () => {
    await mesh.write('users.yaml', routes('other.demo.example'));
    await until('the port to be closed', async () => {
      const answers = await mesh
        .pod('visitor')
        .app.calls({ address: INGRESS, port: 80, host: 'other.demo.example', path: '/hello', fresh: true });
      return answers[0]?.body === 'ECONNREFUSED';
    });
  });

  test('nothing was rejected', () => mesh.assertNothingRejected());
});

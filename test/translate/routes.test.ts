import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outboundRouteNames } from '../../src/translate/listeners/outbound/outbound.ts';
import { outboundRoutes } from '../../src/translate/routes/outbound.ts';
import { World } from '../model/support.ts';
import { virtualHostFor } from '../simulation/route/route.ts';

const MESH = `
apiVersion: v1
kind: Service
metadata: {name: app, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80}, {name: http-admin, port: 9090}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app, namespace: default}
spec:
  hosts: [app, app.example.com]
  http:
  - match: [{port: 9090}]
    route: [{destination: {host: app}, headers: {request: {set: {x-port: admin}}}}]
  - route: [{destination: {host: app}}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: default}
spec: {egress: [{port: {number: 7443, name: proxy, protocol: HTTP_PROXY}, bind: 127.0.0.1, hosts: ['*/*']}]}
`;

test('a listener for every port routes a request by the port that its host names', () => {
  const world = new World(MESH);
  const { scope, traits, workload } = world.identify('sidecar~10.1.0.1~client.default~default.svc.cluster.local', {});
  const names = outboundRouteNames(scope, traits, world.mesh.endpoints, workload.ownAddresses);
  const routes = outboundRoutes(scope, traits, names).find(({ name }) => name === '7443')?.message ?? {};
  const clusterOf = (host: string) => virtualHostFor(routes, host)?.routes?.[0]?.route?.cluster;
  const of = (port: number) => `outbound|${port}||app.default.svc.cluster.local`;
  const found = ['app', 'app:80', 'app:9090', 'app.default:9090', 'app.example.com', 'app.example.com:9090'].map(
    clusterOf,
  );
  assert.deepEqual(found, [of(80), of(80), of(9090), of(9090), of(80), of(9090)]);
  assert.equal(clusterOf('app:8080'), 'PassthroughCluster');
});

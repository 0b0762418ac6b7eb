import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listeners } from '../../src/translate/listeners/listeners.ts';
import { gatewayRoutes } from '../../src/translate/routes/gateway.ts';
import { World } from '../model/support.ts';
import { joined } from '../support/translation.ts';

const OBJECTS = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: shop}
spec: {clusterIP: 10.96.0.2, selector: {app: edge}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: edge-1, namespace: shop, labels: {kubernetes.io/service-name: edge}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.1.0.9]}]
`;

const server = (port: number, name: string, protocol: string, host: string, tls = '') =>
  `{port: {number: ${port}, name: ${name}, protocol: ${protocol}}, hosts: ["${host}"]${tls}}`;

/** A gateway pod with a Gateway of these servers and a VirtualService for all hosts. */
function gateway(servers: readonly string[], http = '[{route: [{destination: {host: web}}]}]') {
  const world = new World(OBJECTS).apply(`
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {selector: {app: edge}, servers: [${servers.join(', ')}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: shop}
spec: {hosts: ["*"], gateways: [edge], http: ${http}}
`);
  const metadata = { ISTIO_VERSION: '1.31.0', NAMESPACE: 'shop', LABELS: { app: 'edge' } };
  const { scope, workload, traits } = world.identify('router~10.1.0.9~edge-1.shop', metadata);
  const { resources, problems } = joined(listeners(scope, workload, traits, world.mesh.endpoints));
  return { listeners: resources.map(r => r.message), problems, routes: gatewayRoutes(scope, workload) };
}

test('plain HTTP takes on a port what TLS servers with names leave, and nothing where they have every name', () => {
  const passing = ', tls: {mode: PASSTHROUGH}';
  const ending = ', tls: {mode: SIMPLE, credentialName: c}';
  for (const [host, chains, routes] of [
    ['a.example.com', [['a.example.com'], undefined], ['http.9000', 'https.9000.https.edge.shop']],
    ['*', [undefined], ['https.9000.https.edge.shop']],
  ] as const) {
    const made = gateway([server(9000, 'https', 'HTTPS', host, ending), server(9000, 'http', 'HTTP', '*')]);
    const [only] = made.listeners;
    assert.deepEqual(
      only?.filter_chains?.map(chain => chain.filter_chain_match?.server_names),
      chains,
    );
    assert.deepEqual(
      made.routes.map(r => r.name),
      routes,
    );
    assert.equal(made.problems.length, host === '*' ? 1 : 0);
  }
  const after = gateway([server(9000, 'http', 'HTTP', '*'), server(9000, 'tls', 'TLS', 'a.example.com', passing)]);
  assert.deepEqual(
    after.problems.map(p => p.path),
    ['spec.servers[1]'],
  );
});

test('TLS settings without a mode hand TLS on unopened: never plaintext HTTP where TLS is meant', () => {
  const chainsWith = (tls: string) =>
    gateway([server(443, 'https', 'HTTPS', 'a.example.com', tls)]).listeners.map(l =>
      l.filter_chains?.map(chain => [
        chain.filter_chain_match?.server_names,
        chain.filters?.map(filter => filter.name),
      ]),
    );
  const passing = chainsWith(', tls: {mode: PASSTHROUGH}');
  assert.deepEqual(chainsWith(', tls: {}'), passing);
  assert.ok(!JSON.stringify(passing).includes('http_connection_manager'));
});

test('ports of a Gateway that meet in one port of the pod share the first one’s routes', () => {
  const http = `
  - {match: [{port: 80}], route: [{destination: {host: web}}]}
  - {match: [{port: 8080}], redirect: {uri: /never}}`;
  const servers = [server(80, 'http', 'HTTP', 'a.example.com'), server(8080, 'http-alt', 'HTTP', 'b.example.com')];
  const [routes, ...others] = gateway(servers, http).routes;
  assert.equal(others.length, 0);
  assert.equal(routes?.name, 'http.8080');
  assert.deepEqual(
    routes.message.virtual_hosts?.map(({ name, domains }) => [name, domains]),
    [['a.example.com:80', ['a.example.com', 'b.example.com']]],
  );
});

test('of HTTPS servers with one host, however it is written, the first keeps it', () => {
  const ending = ', tls: {mode: SIMPLE, credentialName: c}';
  for (const host of ['MAP.site.example', 'map.Site.example.', 'shop/map.site.example', './MAP.site.example']) {
    const servers = [
      server(443, 'https-small', 'HTTPS', 'map.site.example', ending),
      server(443, 'https-caps', 'HTTPS', host, ending),
    ];
    const made = gateway(servers);
    assert.deepEqual(
      made.listeners.flatMap(({ filter_chains }) => filter_chains?.map(c => c.filter_chain_match?.server_names)),
      [['map.site.example']],
      host,
    );
    assert.deepEqual(
      made.problems.map(({ path, severity }) => [path, severity]),
      [['spec.servers[1]', 'error']],
      host,
    );
  }
});

test('a host that only redirects is one whatever namespace it is limited to', () => {
  const [routes] = gateway(
    [server(80, 'http', 'HTTP', './Old.example.com', ', tls: {httpsRedirect: true}')],
    '[{redirect: {uri: /}}]',
  ).routes;
  assert.deepEqual(
    routes?.message.virtual_hosts?.map(({ domains }) => domains),
    [['old.example.com']],
  );
});

test('servers for every address share a listener, whether they say so or nothing', () => {
  const bound = (host: string, bind: string) => server(80, 'http', 'HTTP', host).replace(/}$/, `, bind: "${bind}"}`);
  for (const bind of ['0.0.0.0', '::', '0:0::0']) {
    const made = gateway([server(80, 'http', 'HTTP', 'a.example.com'), bound('b.example.com', bind)]);
    assert.deepEqual(
      made.listeners.map(({ name }) => name),
      ['0.0.0.0_8080'],
    );
    assert.deepEqual(made.problems, []);
    assert.deepEqual(
      made.routes.flatMap(({ name, message }) => message.virtual_hosts?.map(({ domains }) => [name, domains])),
      [['http.8080', ['a.example.com', 'b.example.com']]],
    );
  }
});

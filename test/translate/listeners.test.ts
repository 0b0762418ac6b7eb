import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Protocol } from '../../src/istio/protocol.ts';
import { unpackAs } from '../../src/proto/any.ts';
import type { FilterChain, Listener } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import { inboundListenerFilters } from '../../src/translate/listeners/inbound/inspectors.ts';
import { listeners } from '../../src/translate/listeners/listeners.ts';
import { conflict } from '../../src/translate/listeners/outbound/conflict.ts';
import { goDuration } from '../../src/translate/proxy-config.ts';
import { World } from '../model/support.ts';
import { joined } from '../support/translation.ts';

const service = (name: string, ip: string, ports: string) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {clusterIP: ${ip}, selector: {app: ${name}}, ports: [${ports}]}
`;
const HTTP = '{name: http, port: 80, targetPort: 8080}';
const TCP = '{name: tcp, port: 9000}';
const SHOP = [
  service('web', '10.96.0.1', HTTP),
  service('api', '10.96.0.2', HTTP),
  service('db', '10.96.0.3', TCP),
  service('auto', '10.96.0.4', '{name: any, port: 7000}'),
  `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}
`,
].join('---');

const AGENT = { ISTIO_VERSION: '1.31.0', NAMESPACE: 'shop', LABELS: { app: 'web' } };
const SIDECAR = 'sidecar~10.1.0.1~web-1.shop';

function made(world: World, id = SIDECAR, metadata: Readonly<Record<string, unknown>> = AGENT) {
  const { scope, workload, traits } = world.identify(id, metadata);
  const { resources, problems } = joined(listeners(scope, workload, traits, world.mesh.endpoints));
  return { byName: new Map(resources.map(r => [r.name, r])), problems };
}

const listener = (world: World, name: string, id = SIDECAR, metadata = AGENT as Readonly<Record<string, unknown>>) => {
  const found = made(world, id, metadata).byName.get(name);
  assert.ok(found, `no listener ${name}`);
  return found.message;
};

const hcmOf = (chain: FilterChain | undefined) => {
  const config = chain?.filters?.at(-1)?.typed_config;
  assert.ok(config);
  return unpackAs('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', config);
};

test('HTTP and TCP on one address are sniffed, the oldest wins, server-first protocols stand alone', () => {
  const cases: readonly [Protocol | undefined, Protocol, boolean, string, Protocol][] = [
    [undefined, 'HTTP', true, 'create', 'Unsupported'],
    [undefined, 'HTTP', false, 'create', 'HTTP'],
    [undefined, 'TCP', true, 'create', 'TCP'],
    [undefined, 'UDP', true, 'ignore', 'UDP'],
    ['TCP', 'HTTP', true, 'merge', 'Unsupported'],
    ['HTTP', 'TCP', false, 'merge', 'Unsupported'],
    ['TCP', 'TLS', true, 'merge', 'TCP'],
    ['Unsupported', 'TCP', true, 'merge', 'Unsupported'],
    ['Unsupported', 'HTTP', true, 'ignore', 'Unsupported'],
    ['Unsupported', 'Unsupported', true, 'ignore', 'Unsupported'],
    ['HTTP', 'Unsupported', false, 'create', 'Unsupported'],
    ['TCP', 'Unsupported', false, 'merge', 'Unsupported'],
    ['MySQL', 'HTTP', true, 'ignore', 'MySQL'],
    ['MySQL', 'MySQL', true, 'merge', 'MySQL'],
    ['TCP', 'HTTP_PROXY', true, 'create', 'HTTP_PROXY'],
  ];
  for (const [existing, incoming, wildcard, effect, protocol] of cases) {
    assert.deepEqual(conflict(existing, incoming, wildcard), { effect, protocol }, `${existing} ${incoming}`);
  }
});

test('inspectors are switched off on ports that do not need them', () => {
  const on = (port: number, transport_protocol: string, ...application_protocols: string[]): FilterChain => ({
    filter_chain_match: {
      transport_protocol,
      application_protocols,
      ...(port ? { destination_port: { value: port } } : {}),
    },
  });
  const options = { redirected: true, transparent: false };
  const names = (chains: readonly FilterChain[]) => inboundListenerFilters(chains, options).map(f => f.name?.slice(23));
  assert.deepEqual(names([on(80, 'raw_buffer')]), ['original_dst']);
  const [, tls, http] = inboundListenerFilters(
    [on(0, 'tls'), on(0, 'raw_buffer', 'h2c'), on(80, 'raw_buffer'), on(90, 'tls', 'istio'), on(70, 'raw_buffer')],
    options,
  );
  const range = (start: number) => ({ destination_port_range: { start, end: start + 1 } });
  assert.deepEqual(tls?.filter_disabled, { or_match: { rules: [range(70), range(80)] } });
  assert.deepEqual(http?.filter_disabled, { or_match: { rules: [range(70), range(80), range(90)] } });
  const [, only] = inboundListenerFilters([on(80, 'tls'), on(0, 'raw_buffer')], options);
  assert.deepEqual(only?.filter_disabled, { not_match: range(80) });
});

test('a sidecar has one listener for HTTP of a port, one a Service for TCP, and the virtual ones', () => {
  const { byName } = made(new World(SHOP));
  assert.deepEqual([...byName.keys()].sort(), [
    '0.0.0.0_80',
    '10.96.0.3_9000',
    '10.96.0.4_7000',
    'virtualInbound',
    'virtualOutbound',
  ]);
  const auto = byName.get('10.96.0.4_7000')?.message;
  assert.equal(hcmOf(auto?.filter_chains?.[0]).rds?.route_config_name, 'auto.shop.svc.cluster.local:7000');
  assert.equal(hcmOf(byName.get('0.0.0.0_80')?.message.filter_chains?.[0]).rds?.route_config_name, '80');
});

test('routes of HTTP and endpoints are no part of listeners', () => {
  const world = new World(SHOP);
  const before = made(world).byName;
  world.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec: {hosts: [web], http: [{route: [{destination: {host: api}}]}]}
`);
  world.apply(`
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: tcp, port: 9000}]
endpoints: [{addresses: [10.1.0.9], conditions: {ready: true}}]
`);
  for (const [name, resource] of made(world).byName) assert.equal(resource, before.get(name), name);
});

test('a TCP route or a new Service re-makes only its own listener', () => {
  const world = new World(SHOP);
  const before = made(world).byName;
  world.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: db, namespace: shop}
spec: {hosts: [db], tcp: [{route: [{destination: {host: web, port: {number: 80}}}]}]}
`);
  world.apply(service('more', '10.96.0.9', TCP));
  const after = made(world).byName;
  const changed = [...after].filter(([name, resource]) => resource !== before.get(name)).map(([name]) => name);
  assert.deepEqual(changed.sort(), ['10.96.0.3_9000', '10.96.0.9_9000']);
  assert.deepEqual(after.get('10.96.0.3_9000')?.sources, ['Service/shop/db', 'VirtualService/shop/db']);
});

test('workloads of a scope share what does not name them', () => {
  const world = new World(SHOP);
  const labels = (name: string) => ({
    ...AGENT,
    LABELS: { app: name, 'service.istio.io/canonical-name': name },
    WORKLOAD_NAME: name,
  });
  const web = made(world, 'sidecar~10.1.0.1~web-1.shop', labels('web')).byName;
  const other = made(world, 'sidecar~10.1.0.2~web-2.shop', labels('web')).byName;
  const api = made(world, 'sidecar~10.1.0.3~api-1.shop', labels('api')).byName;
  for (const [name, resource] of web) assert.equal(resource, other.get(name), name);
  assert.equal(api.get('10.96.0.3_9000'), web.get('10.96.0.3_9000'));
  assert.notEqual(api.get('0.0.0.0_80'), web.get('0.0.0.0_80'), 'spans carry the name of the workload');
});

const transports = (l: Listener) =>
  new Set((l.filter_chains ?? []).filter(c => c.transport_socket).map(c => c.name ?? ''));

test('without an agent there is no mutual TLS, whatever the policies say', () => {
  const strict = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
`;
  const world = new World(`${SHOP}---${strict}`);
  assert.deepEqual(
    transports(listener(world, 'virtualInbound')),
    new Set(['virtualInbound-catchall-http', 'virtualInbound', '0.0.0.0_8080']),
  );
  const bare = listener(world, 'virtualInbound', SIDECAR, { ...AGENT, ISTIO_VERSION: '' });
  assert.deepEqual(transports(bare), new Set());
  assert.ok(bare.filter_chains?.every(c => c.filter_chain_match?.transport_protocol !== 'tls'));
});

test('filters of Istio’s own build go only to a Node that lists them', () => {
  const world = new World(SHOP);
  const names = (extensions: readonly string[] | undefined) => {
    const { scope, workload, traits } = world.identify(SIDECAR, AGENT);
    const build = { ...traits.build, extensions };
    const { resources } = joined(listeners(scope, workload, { ...traits, build }, world.mesh.endpoints));
    const found = resources.find(r => r.name === '0.0.0.0_80')?.message.filter_chains?.[0];
    return hcmOf(found).http_filters?.map(f => f.name);
  };
  const upstream = ['grpc_stats', 'fault', 'cors', 'router'].map(n => `envoy.filters.http.${n}`);
  assert.deepEqual(names(undefined), upstream);
  assert.deepEqual(names(upstream), upstream);
  assert.deepEqual(names(['envoy.filters.http.fault']), ['envoy.filters.http.fault', 'envoy.filters.http.router']);
  assert.deepEqual(names([...upstream, 'envoy.filters.http.peer_metadata', 'istio.alpn']), [
    'istio.metadata_exchange',
    'envoy.filters.http.grpc_stats',
    'istio.alpn',
    ...upstream.slice(1),
  ]);
});

test('without redirection there are real sockets on loopback and no virtual listeners', () => {
  const { byName } = made(new World(SHOP), SIDECAR, { ...AGENT, INTERCEPTION_MODE: 'NONE' });
  assert.deepEqual([...byName.keys()].sort(), ['127.0.0.1_7000', '127.0.0.1_80', '127.0.0.1_9000']);
  for (const { message } of byName.values()) assert.equal(message.bind_to_port, undefined);
});

test('a gateway says which of its servers it cannot open, and opens the others', () => {
  const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {app: edge}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
  - {port: {number: 80, name: tcp, protocol: TCP}, hosts: ['*']}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.com], tls: {mode: SIMPLE, credentialName: a}}
  - {port: {number: 443, name: pass, protocol: TLS}, hosts: ['*.com'], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: pass, namespace: shop}
spec:
  hosts: ['*.com']
  gateways: [edge]
  tls: [{match: [{sniHosts: [a.com, b.com]}], route: [{destination: {host: db}}]}]
`;
  const metadata = { ...AGENT, LABELS: { app: 'edge' } };
  const { byName, problems } = made(new World(`${SHOP}---${gateway}`), 'router~10.1.0.5~edge-1.shop', metadata);
  assert.deepEqual([...byName.keys()].sort(), ['0.0.0.0_443', '0.0.0.0_80']);
  assert.deepEqual(
    problems.map(p => `${p.object} ${p.path}`),
    ['Gateway/shop/edge spec.servers[1]', 'VirtualService/shop/pass spec.tls[0].match[0].sniHosts'],
  );
  // The HTTPS server has the name already; Envoy would refuse it twice.
  const names = byName.get('0.0.0.0_443')?.message.filter_chains?.map(c => c.filter_chain_match?.server_names);
  assert.deepEqual(names, [['a.com'], ['b.com']]);
});

test('durations of Node metadata are read as Go writes them', () => {
  const cases: readonly [string | undefined, number | undefined, number | undefined][] = [
    ['30s', 30, 0],
    ['1h30m', 5400, 0],
    ['1.5s', 1, 5e8],
    ['250ms', 0, 25e7],
    ['0', 0, 0],
    ['soon', undefined, undefined],
    [undefined, undefined, undefined],
  ];
  for (const [text, seconds, nanos] of cases) {
    const read = goDuration(text);
    const expected = seconds === undefined ? undefined : [seconds, nanos];
    assert.deepEqual(read && [read.seconds ?? 0, read.nanos ?? 0], expected, text);
  }
});

const egressProxy = (proxy: string, hosts: string) => `${SHOP}---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: shop}
spec: {outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: ${proxy}}, egress: [{hosts: ['${hosts}']}]}
`;
const WEB = 'web.shop.svc.cluster.local';
const NO_CLUSTER = 'requests for hosts outside the mesh get 503 (NC, no cluster)';
const notImported = (host: string) =>
  `host: no egress listener of this Sidecar imports a Service with the host ${host}`;
const unreachable: readonly (readonly [what: string, proxy: string, hosts: string, messages: readonly string[]])[] = [
  ['is imported', `{host: ${WEB}, port: {number: 80}}`, './*', []],
  [
    'is not imported',
    `{host: ${WEB}, port: {number: 80}}`,
    './api.shop.svc.cluster.local',
    [`${notImported(WEB)}; ${NO_CLUSTER}`],
  ],
  [
    'is not written out',
    '{host: web, port: {number: 80}}',
    './*',
    [`${notImported('web')}; ${WEB} has to be written out here; ${NO_CLUSTER}`],
  ],
  [
    'lacks the port',
    `{host: ${WEB}, port: {number: 81}}`,
    './*',
    [`port.number: ${WEB} has no port 81 (it has 80); ${NO_CLUSTER}`],
  ],
];
for (const [what, proxy, hosts, messages] of unreachable)
  test(`a Sidecar whose egress proxy ${what}`, () => {
    const { problems } = made(new World(egressProxy(proxy, hosts)));
    const at = 'spec.outboundTrafficPolicy.egressProxy.';
    assert.deepEqual(
      problems.map(p => `${p.path}: ${p.message}`),
      messages.map(message => at + message),
    );
  });

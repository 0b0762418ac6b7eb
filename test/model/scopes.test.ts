import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Scope } from '../../src/model/scope/scope.ts';
import type { Hostname } from '../../src/model/services/service.ts';
import { networking, ofPod, pod, service, slice, type World, world } from './support.ts';

type Fields = Readonly<Record<string, unknown>>;

const scopeOf = (w: World, namespace = 'a', labels: Fields = {}, type = 'sidecar'): Scope =>
  w.identify(`${type}~10.9.0.1~client.${namespace}`, { LABELS: labels }).scope;
const hosts = (list: readonly { readonly hostname: string }[] | undefined) =>
  list?.map(s => s.hostname.replace('.svc.cluster.local', ''));
const sidecar = (name: string, spec: Fields, more: Fields = {}) => networking('Sidecar', name, spec, more);
const entry = (name: string, host: string, spec: Fields = {}, more: Fields = {}) =>
  networking(
    'ServiceEntry',
    name,
    {
      hosts: [host],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      ...spec,
    },
    more,
  );
const virtualService = (name: string, host: string, to: readonly Fields[], spec: Fields = {}) =>
  networking('VirtualService', name, {
    hosts: [host],
    http: to.map(destination => ({ route: [{ destination }] })),
    ...spec,
  });

test('without a Sidecar everything that is exported is seen, once a host', () => {
  const exportTo = (to: string) => ({ annotations: { 'networking.istio.io/exportTo': to } });
  const w = world(
    service('one.a', {}, { created: 2 }),
    service('two.b', {}, { created: 1 }),
    service('private.a', {}, exportTo('.')),
    service('private.b', {}, exportTo('.')),
    service('given.b', {}, exportTo('a')),
    service('hidden.b', {}, exportTo('~')),
  );
  assert.deepEqual(hosts(scopeOf(w).services), ['given.b', 'private.a', 'two.b', 'one.a']);
  assert.equal(scopeOf(w).egress.length, 1);
  assert.equal(scopeOf(w).egress[0]?.services, scopeOf(w).services);
  assert.equal(scopeOf(w).serviceByHost.size, 4);
});

test('of one host in several namespaces the own one counts, then a Kubernetes Service, then the older', () => {
  const w = world(
    entry('young', 'x.com', {}, { namespace: 'a', created: 2 }),
    entry('old', 'x.com', {}, { namespace: 'b', created: 1 }),
    entry('squatter', 'app.c.svc.cluster.local', {}, { namespace: 'b', created: 0 }),
    service('app.c', {}, { created: 9 }),
  );
  const from = (namespace: string, host: string) =>
    scopeOf(w, namespace).serviceByHost.get(host as Hostname)?.namespace;
  assert.equal(from('a', 'x.com'), 'a');
  assert.equal(from('b', 'x.com'), 'b');
  assert.equal(from('c', 'x.com'), 'b');
  assert.equal(from('a', 'app.c.svc.cluster.local'), 'c');
});

test('ServiceEntries of one host and namespace are put together', () => {
  const port = (number: number) => [{ number, name: `p${number}`, protocol: 'HTTP' }];
  const w = world(
    entry('one', 'x.com', { ports: port(80) }, { created: 1 }),
    entry('two', 'x.com', { ports: port(81) }, { created: 2 }),
  );
  assert.deepEqual(
    scopeOf(w, 'default')
      .serviceByHost.get('x.com' as Hostname)
      ?.ports.map(p => p.port),
    [80, 81],
  );
  assert.equal(scopeOf(w, 'default').egress[0]?.services.length, 2);
});

test('every form of an egress host', () => {
  const objects = [
    service('one.a'),
    service('two.a'),
    service('one.b'),
    service('two.b'),
    entry('e', 'api.x.com', {}, { namespace: 'b' }),
  ];
  const cases = [
    [['./*'], ['one.a', 'two.a']],
    [['a/*'], ['one.a', 'two.a']],
    [['*/*'], ['api.x.com', 'one.a', 'one.b', 'two.a', 'two.b']],
    [['b/one.b.svc.cluster.local'], ['one.b']],
    [['*/one.a.svc.cluster.local'], ['one.a']],
    [['b/*.x.com'], ['api.x.com']],
    [['a/*.x.com'], []],
    [
      ['*/*', '~b/*'],
      ['one.a', 'two.a'],
    ],
    [['*/*', '~/*.svc.cluster.local'], ['api.x.com']],
    [['~/*'], []],
  ] as const;
  for (const [egress, expected] of cases) {
    const w = world(...objects, sidecar('s.a', { egress: [{ hosts: egress }] }));
    assert.deepEqual(hosts(scopeOf(w).services)?.sort(), expected, egress.join());
  }
});

const everything = { egress: [{ hosts: ['*/*'] }] };

test('the Sidecar in force: by labels, of the namespace, of the root namespace', () => {
  const w = world(
    sidecar('general.a', everything, { created: 1 }),
    sidecar('second.a', everything, { created: 2 }),
    sidecar('chosen.a', { ...everything, workloadSelector: { labels: { app: 'x' } } }, { created: 3 }),
    sidecar('mesh.istio-system', { egress: [{ hosts: ['./*'] }] }),
    service('one.a'),
    service('one.b'),
  );
  assert.equal(scopeOf(w, 'a').sidecar?.meta.name, 'general');
  assert.equal(scopeOf(w, 'a', { app: 'x' }).sidecar?.meta.name, 'chosen');
  assert.equal(scopeOf(w, 'b').sidecar?.meta.name, 'mesh');
  assert.deepEqual(hosts(scopeOf(w, 'b').services), ['one.b']);
  assert.equal(scopeOf(w, 'a', {}, 'router').sidecar, undefined);
  assert.deepEqual(
    w.mesh.problems.map(p => p.object),
    ['Sidecar/a/second'],
  );
});

test('an egress listener with a port serves that port only', () => {
  const ports = [
    { name: 'http', port: 80 },
    { name: 'tcp', port: 81 },
  ];
  const w = world(
    service('two.a', { ports }),
    service('other.a', { ports: [{ name: 'http', port: 90 }] }),
    sidecar('s.a', {
      egress: [
        { port: { number: 80, protocol: 'HTTP', name: 'x' }, bind: '127.0.0.1', captureMode: 'NONE', hosts: ['./*'] },
        { port: { number: 9999, protocol: 'HTTP_PROXY', name: 'proxy' }, hosts: ['./other.a.svc.cluster.local'] },
        { hosts: ['./two.a.svc.cluster.local'] },
      ],
    }),
  );
  const scope = scopeOf(w);
  assert.deepEqual(
    scope.egress.map(e => [
      e.port?.number,
      e.bind,
      e.captureMode,
      e.services.map(s => [s.name, s.ports.map(p => p.port)]),
    ]),
    [
      [80, '127.0.0.1', 'NONE', [['two', [80]]]],
      [9999, '', 'DEFAULT', [['other', [90]]]],
      [undefined, '', 'DEFAULT', [['two', [80, 81]]]],
    ],
  );
  assert.deepEqual(
    scope.services.map(s => [s.name, s.ports.map(p => p.port)]),
    [
      ['two', [80, 81]],
      ['other', [90]],
    ],
  );
});

test('what a route leads to is reachable though no host imports it', () => {
  const ports = [
    { name: 'http', port: 80 },
    { name: 'tcp', port: 81 },
  ];
  const w = world(
    service('front.a'),
    service('back.b', { ports }),
    service('other.b', { ports }),
    virtualService('v.a', 'front', [{ host: 'back.b.svc.cluster.local', port: { number: 81 } }, { host: 'missing' }]),
    sidecar('s.a', { egress: [{ hosts: ['./*'] }] }),
  );
  const scope = scopeOf(w);
  assert.deepEqual(
    scope.services.map(s => [s.name, s.ports.map(p => p.port)]),
    [
      ['front', [80]],
      ['back', [81]],
    ],
  );
  assert.deepEqual(
    scope.egress[0]?.services.map(s => s.name),
    ['front'],
  );
});

test('VirtualServices are imported by their hosts', () => {
  const w = world(
    virtualService('own.a', 'x.com', [{ host: 'x' }]),
    virtualService('other.b', 'y.com', [{ host: 'y' }]),
    virtualService('wild.b', '*.com', [{ host: 'z' }]),
  );
  const imported = (...egress: readonly string[]) => {
    w.applyObjects([sidecar('s.a', { egress: [{ hosts: egress }] })]);
    return scopeOf(w).egress[0]?.virtualServices.map(v => v.meta.name);
  };
  assert.deepEqual(imported('./*'), ['own']);
  assert.deepEqual(imported('*/y.com'), ['other', 'wild']);
  assert.deepEqual(imported('b/*.com'), ['other', 'wild']);
  assert.deepEqual(imported('*/*', '~b/*.com'), ['own']);
});

test('the outbound traffic policy is the Sidecar’s, else the mesh’s', () => {
  const w = world(
    {
      apiVersion: '',
      kind: 'MeshConfig',
      metadata: { name: 'istio' },
      spec: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
    },
    sidecar('s.a', {
      outboundTrafficPolicy: {
        mode: 'ALLOW_ANY',
        egressProxy: { host: 'p.a.svc.cluster.local', port: { number: 80 }, subset: 'v' },
      },
    }),
  );
  assert.equal(scopeOf(w, 'b').outboundPolicy.mode, 'REGISTRY_ONLY');
  assert.deepEqual(scopeOf(w, 'a').outboundPolicy, {
    mode: 'ALLOW_ANY',
    egressProxy: { host: 'p.a.svc.cluster.local', subset: 'v', port: 80 },
  });
  assert.equal(scopeOf(world(), 'a').outboundPolicy.mode, 'ALLOW_ANY');
});

test('identities are those of the endpoints, in every trust domain, and what the Service names', () => {
  const w = world(
    service('app', {}, { annotations: { 'alpha.istio.io/kubernetes-serviceaccounts': 'named' } }),
    pod('app-1', '10.1.0.1', { serviceAccountName: 'b' }),
    pod('app-2', '10.1.0.2', { serviceAccountName: 'a' }),
    slice('app', [ofPod('app-1', '10.1.0.1'), ofPod('app-2', '10.1.0.2')]),
    service('empty'),
    { apiVersion: '', kind: 'MeshConfig', metadata: { name: 'istio' }, spec: { trustDomainAliases: ['old'] } },
  );
  const { identities } = scopeOf(w);
  const ids = ['a', 'b', 'named'].map(account => `/ns/default/sa/${account}`);
  assert.deepEqual(
    identities.get('app.default.svc.cluster.local/default'),
    ['cluster.local', 'old'].flatMap(domain => ids.map(id => `spiffe://${domain}${id}`)),
  );
  assert.equal(identities.has('empty.default.svc.cluster.local/default'), false);
});

test('Gateways are chosen by the labels of the proxy, with the VirtualServices that name them', () => {
  const gateway = (name: string, selector: Fields, more = {}) =>
    networking(
      'Gateway',
      name,
      { selector, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }] },
      more,
    );
  const w = world(
    gateway('young.a', { app: 'gw' }, { created: 2 }),
    gateway('old.b', { app: 'gw' }, { created: 1 }),
    gateway('other.a', { app: 'x' }),
    virtualService('v.a', 'x.com', [{ host: 'app' }], { gateways: ['young'] }),
    virtualService('both.b', 'y.com', [{ host: 'app' }], {
      gateways: ['a/young', 'old'],
      http: [
        { match: [{ gateways: ['old'] }], route: [{ destination: { host: 'x' } }] },
        { match: [{ gateways: ['a/young'] }], route: [{ destination: { host: 'y' } }] },
      ],
    }),
    virtualService('mesh.a', 'z.com', [{ host: 'app' }]),
    virtualService('private.b', 'w.com', [{ host: 'app' }], { gateways: ['old'], exportTo: ['.'] }),
  );
  const bindings = (namespace: string) =>
    scopeOf(w, namespace, { app: 'gw' }, 'router').gateways.map(g => [
      g.gateway.meta.name,
      g.virtualServices.map(
        v => `${v.meta.name} ${v.spec.http?.map(r => r.route?.[0]?.destination?.host?.split('.')[0])}`,
      ),
    ]);
  assert.deepEqual(bindings('a'), [
    ['old', ['both x']],
    ['young', ['both y', 'v app']],
  ]);
  assert.deepEqual(bindings('b')[0], ['old', ['private app', 'both x']]);
  assert.deepEqual(scopeOf(w, 'a', { app: 'gw' }).gateways, []);
});

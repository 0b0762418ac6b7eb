import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VirtualService } from '../../src/istio/config.ts';
import { networking, type World, world } from './support.ts';

type Fields = Readonly<Record<string, unknown>>;

const route = (host: string) => [{ destination: { host } }];
const virtualService = (name: string, spec: Fields, more: Fields = {}) =>
  networking('VirtualService', name, { hosts: ['app'], http: [{ route: route('app') }], ...spec }, more);

const client = 'sidecar~10.9.0.1~client';
const seen = (w: World, namespace = 'default', labels: Fields = {}): readonly VirtualService[] =>
  w.identify(`${client}.${namespace}`, { LABELS: labels }).scope.egress[0]?.virtualServices ?? [];
const names = (list: readonly VirtualService[]) => list.map(v => v.meta.name);

test('hosts, gateways and destinations are written out', () => {
  const w = world(
    virtualService('v.a', {
      hosts: ['app', 'x.com'],
      gateways: ['mesh', 'gw', 'b/gw'],
      http: [
        {
          match: [{ gateways: ['mesh'] }],
          route: route('app'),
          mirrors: [{ destination: { host: 'mirror' } }],
        },
      ],
      tcp: [{ route: route('db') }],
      tls: [{ match: [{ sniHosts: ['x.com'] }], route: route('secure') }],
    }),
  );
  const spec = seen(w, 'a')[0]?.spec;
  assert.deepEqual(spec?.hosts, ['app.a.svc.cluster.local', 'x.com']);
  assert.deepEqual(spec?.gateways, ['mesh', 'a/gw', 'b/gw']);
  assert.equal(spec?.http?.[0]?.route?.[0]?.destination?.host, 'app.a.svc.cluster.local');
  assert.equal(spec?.http?.[0]?.mirrors?.[0]?.destination?.host, 'mirror.a.svc.cluster.local');
  assert.equal(spec?.tcp?.[0]?.route?.[0]?.destination?.host, 'db.a.svc.cluster.local');
  assert.equal(spec?.tls?.[0]?.route?.[0]?.destination?.host, 'secure.a.svc.cluster.local');
});

test('who sees a VirtualService: private ones first, then exported, then public, each oldest first', () => {
  const w = world(
    virtualService('public.a', {}, { created: 2 }),
    virtualService('older.a', {}, { created: 1 }),
    virtualService('private.b', { exportTo: ['.'] }, { created: 9 }),
    virtualService('named.a', { exportTo: ['b'] }, { created: 8 }),
    virtualService('gateway.a', { gateways: ['gw'] }),
  );
  assert.deepEqual(names(seen(w, 'b')), ['private', 'named', 'older', 'public']);
  assert.deepEqual(names(seen(w, 'c')), ['older', 'public']);
});

test('the mesh says who sees VirtualServices that do not say so', () => {
  const w = world(virtualService('v.a', {}), {
    apiVersion: '',
    kind: 'MeshConfig',
    metadata: { name: 'istio' },
    spec: { defaultVirtualServiceExportTo: ['.'] },
  });
  assert.deepEqual(names(seen(w, 'a')), ['v']);
  assert.deepEqual(names(seen(w, 'b')), []);
});

const match = (list: readonly VirtualService[]) =>
  list[0]?.spec.http?.map(r => r.match?.map(m => m.name ?? m.uri?.prefix) ?? []);

test('matches that cannot be the source are gone', () => {
  const http = [
    { match: [{ name: 'labels', sourceLabels: { app: 'client' } }, { name: 'always' }], route: route('one') },
    { match: [{ name: 'namespace', sourceNamespace: 'a' }], route: route('two') },
    { match: [{ name: 'gateway', gateways: ['default/gw'] }], route: route('three') },
    { match: [{ name: 'mesh', gateways: ['mesh'], sourceLabels: { app: 'nobody' } }], route: route('four') },
    { route: route('five') },
  ];
  const w = world(virtualService('v', { gateways: ['mesh', 'gw'], http }));
  assert.deepEqual(match(seen(w, 'a', { app: 'client' })), [['labels', 'always'], ['namespace'], ['mesh'], []]);
  assert.deepEqual(match(seen(w, 'b')), [['always'], ['mesh'], []]);
});

test('sources for which everything comes out the same share the list', () => {
  const http = [{ match: [{ sourceLabels: { app: 'client' } }], route: route('one') }];
  const w = world(virtualService('v', { http }));
  const [one, two] = ['1', '2'].map(version => seen(w, 'a', { app: 'other', version }));
  assert.ok(one);
  assert.equal(one, two);
  assert.notEqual(one, seen(w, 'a', { app: 'client' }));
  assert.notEqual(one[0], undefined);
  assert.deepEqual(one[0]?.spec.http, []);
});

test('TLS and TCP matches look at labels and gateways both', () => {
  const tcp = [
    { match: [{ gateways: ['mesh'], sourceLabels: { app: 'client' } }], route: route('one') },
    { match: [{ port: 1 }], route: route('two') },
  ];
  const w = world(virtualService('v', { http: [], tcp }));
  const hosts = (labels: Fields) => seen(w, 'a', labels)[0]?.spec.tcp?.length;
  assert.equal(hosts({ app: 'client' }), 2);
  assert.equal(hosts({ app: 'other' }), 1);
});

const root = (delegates: readonly Fields[], more: Fields = {}) =>
  virtualService('root', { http: delegates.map(delegate => ({ ...delegate })), ...more });
const delegate = (name: string, http: readonly Fields[], spec: Fields = {}) =>
  networking('VirtualService', name, { http, ...spec });

const errorsOf = ({ mesh }: World) => mesh.problems.filter(({ severity }) => severity === 'error');

test('the routes of a delegate stand where the root delegates', () => {
  const w = world(
    root([
      {
        name: 'r',
        match: [{ uri: { prefix: '/a' } }],
        delegate: { name: 'd', namespace: 'b' },
        headers: { request: { set: { x: 'y' } } },
      },
      { route: route('rest') },
    ]),
    delegate('d.b', [
      { name: 'one', match: [{ uri: { prefix: '/a/b' } }], route: route('one') },
      { match: [{ uri: { prefix: '/other' } }], route: route('never') },
      { route: route('two') },
    ]),
  );
  const http = seen(w)[0]?.spec.http ?? [];
  assert.deepEqual(seen(w)[0]?.sources, ['VirtualService/default/root', 'VirtualService/b/d']);
  assert.deepEqual(
    http.map(r => [r.name ?? '', r.match?.[0]?.uri?.prefix, r.route?.[0]?.destination?.host, r.headers?.request?.set]),
    [
      ['r-one', '/a/b', 'one.b.svc.cluster.local', { x: 'y' }],
      ['r', '/a', 'two.b.svc.cluster.local', { x: 'y' }],
      ['', undefined, 'rest.default.svc.cluster.local', undefined],
    ],
  );
  assert.deepEqual(
    errorsOf(w).map(p => [p.object, p.path]),
    [['VirtualService/b/d', 'spec.http[1].match']],
  );
});

test('a delegate that is missing, has hosts or is not exported loses its route only', () => {
  const cases: readonly Fields[] = [
    { name: 'missing' },
    { name: 'hosts', namespace: 'b' },
    { name: 'hidden', namespace: 'b' },
  ];
  for (const delegated of cases) {
    const w = world(
      root([{ delegate: delegated }, { route: route('rest') }]),
      virtualService('hosts.b', { exportTo: ['.'] }),
      delegate('hidden.b', [{ route: route('x') }], { exportTo: ['.'] }),
    );
    assert.equal(seen(w)[0]?.spec.http?.length, 1, JSON.stringify(delegated));
    assert.deepEqual(
      errorsOf(w).map(p => [p.object, p.path]),
      [['VirtualService/default/root', 'spec.http[0].delegate']],
    );
  }
});

test('a changed delegate changes its root, and no other VirtualService', () => {
  const w = world(
    root([{ delegate: { name: 'd' } }]),
    delegate('d', [{ route: route('one') }]),
    virtualService('zz', { hosts: ['other'] }),
  );
  const before = seen(w);
  w.applyObjects([delegate('d', [{ route: route('two') }])]);
  const after = seen(w);
  assert.equal(after[0]?.spec.http?.[0]?.route?.[0]?.destination?.host, 'two.default.svc.cluster.local');
  assert.notEqual(after[0], before[0]);
  assert.equal(after[1], before[1]);
});

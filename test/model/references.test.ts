import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemLine } from '../../src/config/problem.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { networking, service, slice, type World, world } from './support.ts';

const reviews = service('reviews', { ports: [{ name: 'http', port: 80 }] });
const subsets = networking('DestinationRule', 'reviews', { host: 'reviews', subsets: [{ name: 'v1' }] });
const alias = (name: string, externalName: string) =>
  service(name, { type: 'ExternalName', externalName, clusterIP: '' });
const ports = (...numbers: number[]) => numbers.map(port => ({ name: `http-${port}`, port }));
const given = [
  reviews,
  subsets,
  alias('nick', 'Reviews.default.svc.cluster.local.'),
  alias('chain', 'nick.default.svc.cluster.local'),
  alias('outside', 'outside.example.com'),
  service('several', { ports: ports(80, 8080) }),
  service('others', { ports: ports(8080, 9090) }),
  networking('VirtualService', 'of', { hosts: ['routed.example.com'], http: [{ redirect: { uri: '/' } }] }),
];
const routed = (destination: object, more: object = {}) =>
  networking('VirtualService', 'it', { hosts: ['a.example.com'], http: [{ route: [{ destination }], ...more }] });
const lines = ({ mesh }: World): readonly string[] => mesh.problems.map(problemLine);

const sound = [
  routed({ host: 'reviews' }),
  routed({ host: 'reviews', port: { number: 80 }, subset: 'v1' }),
  routed({ host: 'reviews' }, { mirror: { host: 'reviews.default.svc.cluster.local' } }),
  routed({ host: 'nick' }),
  routed({ host: 'nick', port: { number: 80 }, subset: 'v1' }),
  routed({ host: 'chain', port: { number: 80 } }),
  networking('Sidecar', 'it', { egress: [{ hosts: ['./*', 'empty/*', '~/nowhere.default.svc.cluster.local'] }] }),
  networking('Sidecar', 'it', {
    egress: [{ hosts: ['*/Reviews.default.svc.cluster.local', './*.svc.cluster.local'] }],
  }),
  networking('DestinationRule', 'it', { host: 'REVIEWS' }),
  networking('DestinationRule', 'it', { host: '*.default.svc.cluster.local' }),
  // A host that a gateway is asked for, or one outside the mesh.
  networking('VirtualService', 'it', {
    hosts: ['outside.example.com'],
    http: [{ route: [{ destination: { host: 'reviews' } }] }],
  }),
  // An alias stands for its only port on every other.
  networking('VirtualService', 'it', { hosts: ['several'], http: [{ route: [{ destination: { host: 'nick' } }] }] }),
  // A match leaves the port out that the destination lacks.
  networking('VirtualService', 'it', {
    hosts: ['several'],
    http: [{ match: [{ port: 8080 }], route: [{ destination: { host: 'others' } }] }],
  }),
];
for (const object of sound) {
  test(`no problem: ${object.kind} ${JSON.stringify(object['spec'])}`, () =>
    assert.deepEqual(lines(world(...given, object)), []));
}

const tcp = (destination: object) => [{ route: [{ destination }] }];
const wrong: readonly [string, RawObject, string][] = [
  [
    'a host',
    routed({ host: 'nowhere' }),
    'spec.http[0].route[0].destination.host: no Service of the mesh has the host nowhere.default.svc.cluster.local; requests there get 503 (NC, no cluster)',
  ],
  [
    'a subset',
    routed({ host: 'reviews', subset: 'v2' }),
    'spec.http[0].route[0].destination.subset: no DestinationRule for reviews.default.svc.cluster.local defines the subset v2; requests there get 503 (NC, no cluster)',
  ],
  [
    'a port',
    routed({ host: 'reviews', port: { number: 81 } }),
    'spec.http[0].route[0].destination.port.number: reviews.default.svc.cluster.local has no port 81 (it has 80); requests there get 503 (NC, no cluster)',
  ],
  [
    'a mirror',
    routed({ host: 'reviews' }, { mirrors: [{ destination: { host: 'nowhere' } }] }),
    'spec.http[0].mirrors[0].destination.host: no Service of the mesh has the host nowhere.default.svc.cluster.local; nothing is mirrored',
  ],
  [
    'a tcp route',
    networking('VirtualService', 'it', { hosts: ['a.example.com'], tcp: tcp({ host: 'nowhere' }) }),
    'spec.tcp[0].route[0].destination.host: no Service of the mesh has the host nowhere.default.svc.cluster.local; connections there are closed',
  ],
  [
    'a gateway',
    networking('VirtualService', 'it', {
      hosts: ['a.example.com'],
      gateways: ['mesh', 'edge/main'],
      http: [{ route: [{ destination: { host: 'reviews' } }] }],
    }),
    'spec.gateways[1]: there is no Gateway edge/main; nothing is routed there',
  ],
  [
    'what an alias stands for',
    routed({ host: 'outside' }),
    'spec.http[0].route[0].destination.host: outside.default.svc.cluster.local is an ExternalName for outside.example.com, which no Service of the mesh has; requests there get 503 (NC, no cluster)',
  ],
  [
    'a port of what an alias stands for',
    routed({ host: 'chain', port: { number: 81 } }),
    'spec.http[0].route[0].destination.port.number: reviews.default.svc.cluster.local has no port 81 (it has 80); requests there get 503 (NC, no cluster)',
  ],
  [
    'a subset of what an alias stands for',
    routed({ host: 'nick', subset: 'v2' }),
    'spec.http[0].route[0].destination.subset: no DestinationRule for reviews.default.svc.cluster.local defines the subset v2; requests there get 503 (NC, no cluster)',
  ],
  [
    'a port that is called and that the destination lacks',
    networking('VirtualService', 'it', {
      hosts: ['several'],
      http: [{ route: [{ destination: { host: 'others' } }] }],
    }),
    'spec.http[0].route[0].destination: others.default.svc.cluster.local has no port 80, on which the routes are called (it has 8080, 9090): a port is needed here; requests there get 503 (NC, no cluster)',
  ],
  [
    'a Service of the name that it is for',
    networking('VirtualService', 'it', {
      hosts: ['revies'],
      http: [{ route: [{ destination: { host: 'reviews' } }] }],
    }),
    'spec.hosts[0]: no Service of the mesh has the host revies.default.svc.cluster.local; its routes are in force on port 80 only',
  ],
  [
    'a rule’s host',
    networking('DestinationRule', 'it', { host: 'vault' }),
    "spec.host: no Service of the mesh has the host vault.default.svc.cluster.local (vault means a Service of the rule's own namespace); the rule applies to nothing",
  ],
  [
    'a rule’s host, written out',
    networking('DestinationRule', 'it', { host: 'vault.example.com' }),
    'spec.host: no Service of the mesh has the host vault.example.com; the rule applies to nothing',
  ],
  [
    'a host within a rule’s',
    networking('DestinationRule', 'it', { host: '*.example.org' }),
    'spec.host: no Service of the mesh has a host within *.example.org; the rule applies to nothing',
  ],
  [
    'a cluster of a rule’s alias',
    networking('DestinationRule', 'it', { host: 'nick' }),
    'spec.host: nick.default.svc.cluster.local is an ExternalName for reviews.default.svc.cluster.local and has no cluster of its own; the rule applies to nothing',
  ],
  [
    'a Sidecar’s host',
    networking('Sidecar', 'it', {
      egress: [
        { hosts: ['./*'] },
        {
          hosts: ['./*', 'other/reviews.default.svc.cluster.local'],
          port: { number: 80, protocol: 'HTTP', name: 'http' },
        },
      ].reverse(),
    }),
    'spec.egress[0].hosts[1]: this host imports nothing: no Service or VirtualService that the namespace sees has it',
  ],
];
for (const [what, object, expected] of wrong) {
  test(`found: ${what}`, () =>
    assert.deepEqual(lines(world(...given, object)), [`${object.kind}/default/it ${expected}`]));
}

test('a path counts what was left out', () => {
  const { mesh } = world(reviews);
  assert.deepEqual(mesh.problems, []);
  const route = (host: string) => ({ route: [{ destination: { host } }] });
  const object = networking('VirtualService', 'it', {
    hosts: ['reviews'],
    http: [
      { ...route('reviews'), match: [{ uri: { regex: '(' } }] },
      { ...route('reviews'), match: [{ uri: { prefix: '/a' } }] },
      { route: [{ destination: { host: '*' } }, { destination: { host: 'nowhere' }, weight: 1 }] },
    ],
  });
  const it = world(reviews);
  it.store.apply({ op: 'upsert', object });
  it.rebuild();
  assert.deepEqual(
    it.mesh.problems.map(({ path }) => path),
    ['spec.http[2].route[1].destination.host'],
  );
});

test('what appears is no problem any more, and what it has to do with nothing else is not looked at again', () => {
  const it = world(reviews, routed({ host: 'late' }));
  assert.equal(it.mesh.problems.length, 1);
  const { problems } = it.mesh;
  it.applyObjects([slice('reviews', [{ addresses: ['10.1.0.1'] }]), service('other')]);
  assert.equal(it.mesh.problems, problems);
  it.applyObjects([service('late')]);
  assert.deepEqual(it.mesh.problems, []);
});

test('a Service for its own namespace only is seen by a VirtualService that is for that namespace', () => {
  const hidden = (exportTo: string) =>
    service('hidden.other', {}, { annotations: { 'networking.istio.io/exportTo': exportTo } });
  const route = (exportTo: readonly string[]) =>
    networking('VirtualService', 'it', {
      hosts: ['a.example.com'],
      exportTo,
      http: [{ route: [{ destination: { host: 'hidden.other.svc.cluster.local' } }] }],
    });
  assert.equal(world(hidden('.'), route(['other'])).mesh.problems.length, 0);
  assert.equal(world(hidden('~'), route(['other'])).mesh.problems.length, 0);
  assert.match(lines(world(hidden('.'), route(['.']))).join(), /is exported to no namespace that sees/);
  assert.match(
    lines(world(hidden('~'), route(['*']))).join(),
    /is exported to nobody: beyond namespace other requests/,
  );
});

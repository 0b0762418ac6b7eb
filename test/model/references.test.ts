import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemLine } from '../../src/config/problem.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { networking, service, slice, type World, world } from './support.ts';

const reviews = service('reviews', { ports: [{ name: 'http', port: 80 }] });
const subsets = networking('DestinationRule', 'reviews', { host: 'reviews', subsets: [{ name: 'v1' }] });
const routed = (destination: object, more: object = {}) =>
  networking('VirtualService', 'it', { hosts: ['a.example.com'], http: [{ route: [{ destination }], ...more }] });
const lines = ({ mesh }: World): readonly string[] => mesh.problems.map(problemLine);

const sound = [
  routed({ host: 'reviews' }),
  routed({ host: 'reviews', port: { number: 80 }, subset: 'v1' }),
  routed({ host: 'reviews' }, { mirror: { host: 'reviews.default.svc.cluster.local' } }),
  networking('Sidecar', 'it', { egress: [{ hosts: ['./nowhere.default.svc.cluster.local'] }] }),
  networking('DestinationRule', 'it', { host: 'nowhere' }),
];
for (const object of sound) {
  test(`no problem: ${object.kind} ${JSON.stringify(object['spec'])}`, () =>
    assert.deepEqual(lines(world(reviews, subsets, object)), []));
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
];
for (const [what, object, expected] of wrong) {
  test(`found: ${what}`, () =>
    assert.deepEqual(lines(world(reviews, subsets, object)), [`VirtualService/default/it ${expected}`]));
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

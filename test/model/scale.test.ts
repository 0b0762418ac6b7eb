import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawObject } from '../../src/config/raw.ts';
import type { ConfigContents } from '../../src/config/store.ts';
import type { KubeEndpoints } from '../../src/model/endpoints/kube-endpoints.ts';
import type { VirtualServiceIndex } from '../../src/model/routing/virtual-service-index.ts';
import { PersistentMap } from '../../src/persistent-map.ts';
import { networking, ofPod, pod, service, slice, type World, world } from './support.ts';

const count = 300;
const ip = (i: number, j: number) => `10.${j}.${i >> 8}.${i & 255}`;
const sliceOf = (i: number, size = 3) =>
  slice(
    `s${i}`,
    Array.from({ length: size }, (_, j) => ofPod(`s${i}-${j}`, ip(i, j))),
  );

const large = (): World =>
  world(
    ...Array.from({ length: count }, (_, i) => [
      service(`s${i}`),
      sliceOf(i),
      ...Array.from({ length: 3 }, (_, j) => pod(`s${i}-${j}`, ip(i, j))),
    ]).flat(),
    ...Array.from({ length: 100 }, (_, i) =>
      networking('VirtualService', `v${i}`, {
        hosts: [`s${i}`],
        http: [{ route: [{ destination: { host: `s${i}` } }] }],
      }),
    ),
  );

/** Values of `after` that are not those of `before`. */
const fresh = (before: Iterable<unknown>, after: Iterable<unknown>): number => {
  const known = new Set(before);
  return [...after].filter(value => !known.has(value)).length;
};

const slicesRead = (w: World): number => (w.mesh.stages.value('endpoints of Services') as KubeEndpoints).slicesRead;

test('a change reads the slices that it touches', () => {
  const w = large();
  assert.equal(slicesRead(w), count);
  const step = (name: string, change: Parameters<World['applyObjects']>[0], slices: number, changed: number) => {
    const before = w.mesh.endpoints;
    w.applyObjects(change);
    assert.equal(slicesRead(w), slices, name);
    assert.equal(fresh(before.values(), w.mesh.endpoints.values()), changed, name);
  };
  step('one slice', [sliceOf(7, 2)], 1, 1);
  step('one pod', [pod('s8-1', ip(8, 1), { serviceAccountName: 'new' })], 1, 1);
  step('a pod of no Service', [pod('lone-1', '10.99.0.1')], 0, 0);
  step('a Service', [service('s9', { clusterIP: '10.0.0.9' })], 0, 0);
  step(
    'a VirtualService',
    [
      networking('VirtualService', 'v1', {
        hosts: ['s1'],
        http: [{ timeout: '1s', route: [{ destination: { host: 's1' } }] }],
      }),
    ],
    0,
    0,
  );
});

test('a change makes again what it touches of Services and routes', () => {
  const w = large();
  const services = w.mesh.services;
  const routes = () => [...(w.mesh.stages.value('VirtualServices') as VirtualServiceIndex).qualified.values.values()];
  const before = routes();
  w.applyObjects([
    networking('VirtualService', 'v1', {
      hosts: ['s1'],
      http: [{ timeout: '1s', route: [{ destination: { host: 's1' } }] }],
    }),
  ]);
  assert.equal(fresh(before, routes()), 1);
  assert.equal(w.mesh.services, services);
  w.applyObjects([service('s1', { clusterIP: '10.0.0.9' })]);
  assert.equal(fresh(services, w.mesh.services), 1);
});

/** Counts in `looked`, by kind, whatever is read from now on of the parts that the store's maps consist of. */
function countReads(contents: ConfigContents, looked: Map<string, number>): void {
  for (const [kind, map] of Object.entries(contents)) {
    if (kind === 'problems') continue;
    assert.ok(map instanceof PersistentMap, `${kind} is a ${map.constructor.name}`);
    const count = (): unknown => looked.set(kind, (looked.get(kind) ?? 0) + 1);
    for (const part of map.parts) if (part.size && !Object.hasOwn(part, 'get')) countReadsOf(part, count);
  }
}

function countReadsOf(part: object, count: () => void): void {
  const reads = Map.prototype;
  function* counted(items: Iterable<unknown>): Generator<unknown> {
    for (const item of items) {
      count();
      yield item;
    }
  }
  for (const name of ['get', 'has'] as const) {
    const value = (key: unknown): unknown => {
      count();
      return reads[name].call(part, key);
    };
    Object.defineProperty(part, name, { value });
  }
  for (const name of ['values', 'keys', 'entries', Symbol.iterator] as const)
    Object.defineProperty(part, name, { value: () => counted(reads[name].call(part)) });
}

const touched: readonly (readonly [kind: string, object: RawObject])[] = [
  ['EndpointSlice', sliceOf(7, 2)],
  ['Pod', pod('s8-1', ip(8, 1), { serviceAccountName: 'new' })],
  ['Service', service('s9', { clusterIP: '10.0.0.9' })],
  [
    'VirtualService',
    networking('VirtualService', 'v1', { hosts: ['s1', 's2'], http: [{ route: [{ destination: { host: 's3' } }] }] }),
  ],
];

for (const [kind, object] of touched)
  test(`when a ${kind} changes, a build looks at few objects`, () => {
    const w = large();
    const looked = new Map<string, number>();
    countReads(w.store.contents(), looked);
    assert.ok(w.store.apply({ op: 'upsert', object }));
    countReads(w.store.contents(), looked);
    looked.clear();
    w.rebuild();
    const all = [...looked.values()].reduce((sum, reads) => sum + reads, 0);
    assert.ok((looked.get(kind) ?? 0) > 0 && all < 40, JSON.stringify([...looked]));
  });

test('proxies of one Deployment cost one scope and one workload', () => {
  const w = large();
  const ids = Array.from({ length: 100 }, (_, k) =>
    w.identify(`sidecar~10.200.0.${k}~p${k}.default`, { LABELS: { app: 's1' } }),
  );
  assert.equal(new Set(ids.map(id => id.scope)).size, 1);
  assert.equal(new Set(ids.map(id => id.workload)).size, 1);
  assert.equal(new Set(ids.map(id => id.traits)).size, 1);
});

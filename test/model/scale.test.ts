import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigContents } from '../../src/config/store.ts';
import { buildMesh } from '../../src/model/mesh.ts';
import { networking, ofPod, options, pod, service, slice, type World, world } from './support.ts';

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

const slicesRead = (w: World): number => w.mesh.stages.kubeEndpoints.value.slicesRead;

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
  const routes = () => [...w.mesh.stages.virtualServices.value.qualified.values.values()];
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

/** Counts how many objects a build looks at, by kind. */
function counted(contents: ConfigContents): {
  readonly contents: ConfigContents;
  readonly looked: Map<string, number>;
} {
  const looked = new Map<string, number>();
  const count = (kind: string) => looked.set(kind, (looked.get(kind) ?? 0) + 1);
  const views = Object.entries(contents).map(([kind, map]) => {
    class Counted extends Map<unknown, unknown> {
      override get(key: unknown): unknown {
        count(kind);
        return super.get(key);
      }
      override has(key: unknown): boolean {
        count(kind);
        return super.has(key);
      }
      override *values(): MapIterator<unknown> {
        for (const value of super.values()) {
          count(kind);
          yield value;
        }
      }
    }
    return [kind, new Counted(map as Map<unknown, unknown>)];
  });
  return { contents: Object.fromEntries(views) as ConfigContents, looked };
}

test('a build looks at the objects of changed kinds only', () => {
  const w = large();
  const before = counted(w.store.contents());
  const mesh = buildMesh(before.contents, options);
  w.applyObjects([sliceOf(7, 2)]);
  before.looked.clear();
  const EndpointSlice = w.store.contents().EndpointSlice;
  buildMesh({ ...before.contents, EndpointSlice }, options, mesh);
  const {
    EndpointSlice: slices = 0,
    Pod: pods = 0,
    Service: services = 0,
    VirtualService: routes = 0,
  } = Object.fromEntries(before.looked);
  assert.ok(slices <= 2 * count, `${slices} slices`);
  assert.ok(pods <= 10, `${pods} pods`);
  assert.equal(services, 0);
  assert.equal(routes, 0);
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

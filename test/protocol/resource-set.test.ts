import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { objectKey } from '../../src/object-key.ts';
import { decode } from '../../src/proto/message.ts';
import { counters } from '../../src/xds/counters.ts';
import type { EncodedResource } from '../../src/xds/resource.ts';
import { encodeResource, joinedSet } from '../../src/xds/resource-set.ts';
import { madeSet, resourceSet } from './made-up.ts';

const EMPTY = Buffer.alloc(0);

test('a message is encoded once, and keeps where it came from', () => {
  const message = { name: 'once', connect_timeout: { seconds: 3 } };
  const sources = [objectKey('Service', 'default', 'once')];
  const before = counters.resources;
  const first = encodeResource('cluster', message, sources);
  assert.equal(encodeResource('cluster', message), first);
  assert.equal(counters.resources - before, 1);
  assert.deepEqual(first.sources, sources);
  assert.deepEqual(decode('envoy.config.cluster.v3.Cluster', first.bytes), message);
});

test('a version is content: equal messages have the same, whatever object they are', () => {
  const make = () => encodeResource('cluster', { name: 'x', connect_timeout: { seconds: 1 } });
  assert.notEqual(make(), make());
  assert.equal(make().version, make().version);
  assert.equal(madeSet('cluster', { a: 1, b: 1 }).version, madeSet('cluster', { a: 1, b: 1 }).version);
  assert.notEqual(madeSet('cluster', { a: 1, b: 1 }).version, madeSet('cluster', { a: 1, b: 2 }).version);
});

test('only the virtual host that changed is encoded again', () => {
  const hosts = Array.from({ length: 500 }, (_, i) => ({ name: `host-${i}`, domains: [`host-${i}`] }));
  const route = { name: '80', virtual_hosts: hosts, validate_clusters: { value: false } };
  const first = encodeResource('route', route);
  assert.deepEqual(decode('envoy.config.route.v3.RouteConfiguration', first.bytes), route);
  const before = counters.fragments;
  const changed = { ...route, virtual_hosts: hosts.with(7, { name: 'host-7', domains: ['other'] }) };
  const second = encodeResource('route', changed);
  assert.equal(counters.fragments - before, 1);
  assert.notEqual(second.version, first.version);
  assert.deepEqual(decode('envoy.config.route.v3.RouteConfiguration', second.bytes), changed);
});

test('a set keeps its identity, and that of its resources, while they are equal', () => {
  const set = madeSet('cluster', { a: 1, b: 1 });
  const again = set.list.map(r => ({ ...r }));
  assert.equal(resourceSet('cluster', again, set), set);
  const changed = resourceSet('cluster', [...again, ...madeSet('cluster', { c: 1 }).list], set);
  assert.notEqual(changed, set);
  assert.equal(changed.get('a'), set.get('a'));
  assert.notEqual(resourceSet('cluster', again.slice(1), set), set);
});

test('sets of equal parts are one set, and of two parts that have a name the first counts', () => {
  const [a, b] = [madeSet('cluster', { a: 1 }).parts[0], madeSet('cluster', { a: 2, b: 1 }).parts[0]];
  assert.ok(a && b);
  const set = joinedSet('cluster', [a, b]);
  assert.equal(joinedSet('cluster', [a, b]), set);
  assert.deepEqual(
    set.list.map(r => [r.name, r]),
    [
      ['a', a.get('a')],
      ['b', b.get('b')],
    ],
  );
  assert.equal(set.get('a'), a.get('a'));
});

test('of two resources with one name the first counts', () => {
  const [a] = madeSet('cluster', { a: 1 }).list;
  const [other] = madeSet('cluster', { a: 2 }).list;
  assert.ok(a && other);
  assert.equal(resourceSet('cluster', [a, other]).get('a'), a);
});

test('a set is the first resources of each name, and what equals the previous one in it is kept, whatever came before', () => {
  const lists = fc
    .array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), fc.constantFrom('1', '2')), { maxLength: 8 })
    .map(list => list.map(([name, version]): EncodedResource => ({ name, version, bytes: EMPTY, sources: [] })));
  fc.assert(
    fc.property(lists, lists, (first, second) => {
      const previous = resourceSet('cluster', first);
      const set = resourceSet('cluster', second, previous);
      const expected = new Map<string, string>();
      for (const { name, version } of second) if (!expected.has(name)) expected.set(name, version);
      assert.deepEqual(
        set.list.map(({ name, version }) => [name, version]),
        [...expected],
      );
      for (const resource of set.list) {
        const old = previous.get(resource.name);
        if (old?.version === resource.version) assert.equal(resource, old);
      }
      const same = JSON.stringify([...expected]) === JSON.stringify(previous.list.map(r => [r.name, r.version]));
      assert.equal(set === previous, same);
    }),
    { numRuns: 2_000 },
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Stages } from '../../src/model/incremental/stages.ts';
import { inOneGo } from '../../src/slices.ts';
import { World } from '../../src/world.ts';
import { meshObjects, slice, virtualService } from '../bench/mesh.ts';
import { storeOf } from '../bench/world-server.ts';

test('a stage is made again when what it reads is another value, with the value before at hand', () => {
  let time = 0;
  const sum = function* (
    inputs: { readonly a: number; readonly b: number },
    last: { readonly value: number } | undefined,
  ) {
    time += 2;
    yield undefined;
    time += 3;
    return inputs.a + inputs.b + (last?.value ?? 0);
  };
  const made = (before: Stages | undefined, a: number, b: number) => {
    const stages = new Stages(before, () => time);
    return { stages, value: inOneGo(stages.of('sum', { a, b }, sum)) };
  };
  const first = made(undefined, 1, 2);
  assert.equal(first.value, 3);
  assert.deepEqual(first.stages.runs, [{ name: 'sum', inputs: ['a', 'b'], changed: ['a', 'b'], ms: 5 }]);
  const same = made(first.stages, 1, 2);
  assert.equal(same.value, 3);
  assert.deepEqual(same.stages.runs, [{ name: 'sum', inputs: ['a', 'b'], changed: [], ms: 0 }]);
  const other = made(same.stages, 1, 5);
  assert.equal(other.value, 9);
  assert.deepEqual(other.stages.runs, [{ name: 'sum', inputs: ['a', 'b'], changed: ['b'], ms: 5 }]);
});

test('a change makes those stages again that read of it, and no other', () => {
  const store = storeOf(meshObjects({ services: 3, endpoints: 2, rules: true }));
  const options = { domain: 'cluster.local', rootNamespace: 'istio-system', clusterId: 'Kubernetes' };
  let world = new World(store.contents(), options);
  const madeBy = (object: ReturnType<typeof slice>): readonly string[] => {
    store.apply({ op: 'upsert', object });
    world = new World(store.contents(), options, world);
    return world.mesh.stages.runs.filter(({ changed }) => changed.length > 0).map(({ name }) => name);
  };
  assert.deepEqual(madeBy(slice(1, 2, 7)), ['slices', 'endpoints of Services', 'identities of Services', 'addresses']);
  assert.deepEqual(madeBy(virtualService(1, 'other')), [
    'VirtualServices',
    'references',
    'unmatched hosts',
    'scopes',
    'basis',
  ]);
});

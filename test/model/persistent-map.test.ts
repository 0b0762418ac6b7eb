import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PersistentMap } from '../../src/persistent-map.ts';

const key = fc.nat(600).map(n => `key-${n}`);
const changes = fc.array(fc.tuple(key, fc.option(fc.nat(3), { nil: undefined })), { maxLength: 80 });

test('it is what a Map is after the same changes, and versions before stay what they were', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 6 }), steps => {
      const model = new Map<string, number>();
      let map = PersistentMap.of<string, number>();
      for (const step of steps) {
        const [before, content] = [map, new Map(map)];
        for (const [name, value] of step) {
          if (value === undefined) model.delete(name);
          else model.set(name, value);
        }
        map = map.with(step);
        assert.deepEqual(new Map(before), content);
        assert.equal(map.size, model.size);
        assert.deepEqual(new Map(map.entries()), model);
        assert.deepEqual([...map.keys()].sort(), [...model.keys()].sort());
        assert.deepEqual([...map.values()].sort(), [...model.values()].sort());
        for (const [name] of step) assert.equal(map.has(name), model.has(name));
        const parts = [...map.partsSince(before)].length;
        assert.ok(parts <= new Set(step.map(([name]) => name)).size);
      }
    }),
    { seed: 1 },
  );
});

test('a change that changes nothing gives the map itself', () => {
  const map = PersistentMap.of<string, number>([['a', 1]]);
  assert.equal(
    map.with([
      ['a', 1],
      ['b', undefined],
    ]),
    map,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ALL, type NameSet, NONE, nameSet, union, without } from '../../src/xds/name-set.ts';

/** Enough names that sets of both forms, and on either side of where they change, come up. */
const names = fc.array(
  fc.integer({ min: 0, max: 400 }).map(n => `outbound|${n}`),
  { maxLength: 60 },
);
const step = fc.record({ op: fc.constantFrom('with', 'without', 'union', 'minus', 'many'), names });
const many = Array.from({ length: 350 }, (_, n) => `outbound|${n}`);

const minus = (set: ReadonlySet<string>, others: readonly string[]): Set<string> =>
  new Set([...set].filter(name => !others.includes(name)));
const sorted = (set: Iterable<string>): readonly string[] => [...set].sort();

test('a set has what a plain set would, and is the one that any other way to the same names leads to', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), steps => {
      let set: NameSet = NONE;
      let model = new Set<string>();
      for (const { op, names } of steps) {
        const given = op === 'many' ? many : names;
        if (op === 'with' || op === 'many') set = set.with(given);
        else if (op === 'without') set = set.without(given);
        else if (op === 'union') set = union(set, nameSet(given));
        else set = without(set, nameSet(given));
        const less = op === 'without' || op === 'minus';
        model = less ? minus(model, given) : new Set([...model, ...given]);
        assert.deepEqual(sorted(set), sorted(model));
        assert.equal(set.size, model.size);
        assert.equal(set.bytes, [...model].join('').length);
        assert.equal(set, nameSet([...model].reverse()));
        for (const name of given) assert.equal(set.has(name), model.has(name));
        const other = nameSet(given);
        assert.deepEqual(sorted(without(other, set)), sorted(minus(new Set(given), [...model])));
      }
    }),
  );
});

test('no name and every name are themselves', () => {
  assert.equal(nameSet([]), NONE);
  assert.equal(nameSet(['a']).without(['a']), NONE);
  assert.equal(union(nameSet(['a']), ALL), ALL);
  assert.ok(ALL.has('anything') && !NONE.has('anything'));
  assert.notEqual(nameSet(['a,1:b']), nameSet(['a', 'b']));
});

test('what a set of many shares with the one that it was made from is not looked at again', () => {
  let looked = 0;
  const counted = (function* () {
    for (let n = 0; n < 50_000; n++) yield `outbound|80||svc-${n}.load.svc.cluster.local`;
  })();
  const large = nameSet(counted);
  const more = large.with(['one more']);
  const original = Set.prototype.has;
  Set.prototype.has = function has(this: Set<unknown>, value: unknown) {
    looked++;
    return original.call(this, value);
  };
  try {
    assert.deepEqual([...without(more, large)], ['one more']);
    assert.equal(without(large, more), NONE);
  } finally {
    Set.prototype.has = original;
  }
  assert.ok(looked > 0 && looked < 2_000, `${looked} names of 50,000 looked at`);
});

test('a set knows the bytes of its names, whatever they are made of', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 12 }), { maxLength: 40 }), names => {
      const bytes = names.reduce((sum, name) => sum + Buffer.byteLength(name), 0);
      assert.equal(nameSet(names).bytes, bytes);
      assert.equal(nameSet(names.toReversed()), nameSet(names));
    }),
  );
});

test('names that differ a little are far apart: no bucket of a large set has much more than its share', () => {
  const original = Set.prototype.add;
  const sizes = new Map<Set<unknown>, number>();
  Set.prototype.add = function add(this: Set<unknown>, value: unknown) {
    original.call(this, value);
    sizes.set(this, this.size);
    return this;
  };
  const set = nameSet(Array.from({ length: 25_600 }, (_, n) => `n-${n}`));
  Set.prototype.add = original;
  assert.equal(set.size, 25_600);
  assert.equal(sizes.size, 256);
  assert.ok(Math.max(...sizes.values()) < 200, `${Math.max(...sizes.values())} in one`);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eachOf, keepList, keepMap, memo } from '../../src/memo.ts';

test('the same arguments give the same result, made once', () => {
  let made = 0;
  const pair = memo((a: object, b: object | string | undefined) => {
    made++;
    return { a, b };
  });
  const [x, y] = [{}, {}];
  for (const second of [y, x, 'text', 'other', undefined]) assert.equal(pair(x, second), pair(x, second));
  assert.notEqual(pair(x, y), pair(y, x));
  assert.equal(made, 6);
});

test('a result of undefined is a result, and so is that of no arguments', () => {
  let made = 0;
  const nothing = memo((..._: readonly unknown[]): unknown => {
    made++;
    return undefined;
  });
  const [x, y] = [{}, {}];
  const calls: readonly (readonly unknown[])[] = [
    [],
    [x],
    [y],
    [1],
    ['1'],
    [null],
    [undefined],
    [x, y],
    [1, x],
    [x, 1],
  ];
  for (const _ of [1, 2, 3]) for (const call of calls) assert.equal(nothing(...call), undefined);
  assert.equal(made, calls.length);
});

test('what follows an argument is another call than the argument alone', () => {
  const list = memo((...args: readonly unknown[]): readonly unknown[] => args);
  const [x, y] = [{}, {}];
  assert.deepEqual(
    [list(x), list(x, y), list(x, 1), list(1), list(1, x)].map(args => args.length),
    [1, 2, 2, 1, 2],
  );
});

const items = Array.from({ length: 12 }, (_, id) => ({ id }));
const lists = fc.array(fc.constantFrom(...items), { maxLength: 20 });

test('each item of a list gives what it is made into, whatever the lists before were', () => {
  fc.assert(
    fc.property(fc.array(lists), several => {
      const ids = eachOf(({ id }: { readonly id: number }) => id);
      for (const list of several)
        assert.deepEqual(
          ids(list),
          list.map(({ id }) => id),
        );
    }),
  );
});

test('of a list in which some items came, went or were replaced, only the new ones are made', () => {
  const made: number[] = [];
  const each = eachOf(({ id }: { readonly id: number }) => {
    made.push(id);
    return { id };
  });
  const before = each(items);
  made.length = 0;
  const changed = [{ id: 100 }, ...items.slice(0, 2), { id: 101 }, ...items.slice(3, 6), ...items.slice(9)];
  const after = each(changed);
  assert.deepEqual(made, [100, 101]);
  assert.equal(after[1], before[0]);
  assert.equal(after.at(-1), before.at(-1));
  assert.equal(each(changed), after);
});

test('of two equal lists or maps the one before is kept, of others the new one', () => {
  const value = fc.constantFrom<unknown>(undefined, ...items.slice(0, 2));
  const pairs = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), value), { maxLength: 3 });
  let kept = 0;
  fc.assert(
    fc.property(pairs, pairs, (a, b) => {
      const [lists, maps] = [[a.map(([, v]) => v), b.map(([, v]) => v)] as const, [new Map(a), new Map(b)] as const];
      const same = (x: readonly unknown[], y: readonly unknown[]) =>
        x.length === y.length && x.every((v, i) => v === y[i]);
      assert.equal(keepList(...lists), same(...lists) ? lists[0] : lists[1]);
      const sorted = maps.map(map => [...map].sort(([x], [y]) => (x < y ? -1 : 1)).flat()) as [unknown[], unknown[]];
      assert.equal(keepMap(...maps), same(...sorted) ? maps[0] : maps[1]);
      if (same(...sorted) && maps[0].size) kept++;
    }),
    { seed: 1, numRuns: 1_000 },
  );
  assert.ok(kept > 10, `${kept} maps are kept`);
  assert.deepEqual([keepList(undefined, items), keepMap(undefined, new Map([[1, 2]])).size], [items, 1]);
});

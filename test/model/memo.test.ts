import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eachOf, Interner, keepList, keepMap, memo, memoSaid, nameOf, one, oneList, oneMap } from '../../src/memo.ts';

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

const value = fc.constantFrom<unknown>(
  undefined,
  null,
  0,
  -0,
  Number.NaN,
  1,
  '1',
  'undefined',
  '',
  ...items.slice(0, 3),
);
const fields = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), value), {
  maxLength: 3,
  selector: ([name]) => name,
});
const isSame = (a: readonly (readonly [string, unknown])[], b: readonly (readonly [string, unknown])[]): boolean => {
  const other = new Map(b);
  return a.length === b.length && a.every(([name, of]) => other.has(name) && Object.is(other.get(name), of));
};

test('equal records, lists and maps are one value, whatever the order of fields and entries; others never are', () => {
  let same = 0;
  fc.assert(
    fc.property(fields, fields, fc.boolean(), (a, other, again) => {
      const b = again ? a.toReversed() : other;
      if (isSame(a, b)) same++;
      assert.equal(one(Object.fromEntries(a)) === one(Object.fromEntries(b)), isSame(a, b));
      assert.equal(oneMap(new Map(a)) === oneMap(new Map(b)), isSame(a, b));
      const [x, y] = [a.map(([, of]) => of), b.map(([, of]) => of)];
      assert.equal(oneList(x) === oneList(y), x.length === y.length && x.every((of, i) => Object.is(of, y[i])));
      assert.deepEqual(
        [one(Object.fromEntries(a)), oneList(x), oneMap(new Map(a))],
        [Object.fromEntries(a), x, new Map(a)],
      );
    }),
    { seed: 1, numRuns: 2_000 },
  );
  assert.ok(same > 500, `${same} are the same`);
});

test('what peers say is told apart by all that they say, and made once', () => {
  const made: string[] = [];
  const both = memoSaid((object: object, text: string, port: number) => {
    made.push(`${text} ${port}`);
    return { object, text, port };
  });
  const [x, y] = [{}, {}];
  const calls = [x, y].flatMap(object => ['a', 'b'].flatMap(text => [1, 12].map(port => both(object, text, port))));
  assert.equal(new Set(calls).size, 8);
  assert.equal(both(y, 'b', 12), calls.at(-1));
  assert.deepEqual(both(x, 'a', 1), { object: x, text: 'a', port: 1 });
  assert.equal(made.length, 8);
  const interner = new Interner<object>();
  const first = interner.intern('a', () => ({}));
  assert.equal(
    interner.intern('a', () => assert.fail('it is there')),
    first,
  );
  assert.notEqual(
    interner.intern('b', () => ({})),
    first,
  );
  assert.equal(nameOf(x), nameOf(x));
  assert.notEqual(nameOf(x), nameOf(y));
});

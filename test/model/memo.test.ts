import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eachOf, memo, type Name, nameOf, one, oneList, oneMap } from '../../src/memo.ts';

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

test('equal records, lists and maps are one value, whatever the order of entries; others never are', () => {
  let same = 0;
  fc.assert(
    fc.property(fields, fields, fc.constantFrom('again', 'reversed', 'other'), (a, other, which) => {
      const b = which === 'again' ? [...a] : which === 'reversed' ? a.toReversed() : other;
      const inOrder = isSame(a, b) && a.every(([name], i) => name === b[i]?.[0]);
      if (inOrder) same++;
      assert.equal(one(Object.fromEntries(a)) === one(Object.fromEntries(b)), inOrder);
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

test('names are one value where they are equal, and their results are told apart', () => {
  const made: string[] = [];
  const both = memo((object: object, { name }: Name) => {
    made.push(name);
    return { object, name };
  });
  const [x, y] = [{}, {}];
  const names = ['a', 'b'].map(nameOf);
  const calls = [x, y].flatMap(object => names.map(name => both(object, name)));
  assert.equal(new Set(calls).size, 4);
  assert.equal(both(y, nameOf('b')), calls.at(-1));
  assert.deepEqual(made, ['a', 'b', 'a', 'b']);
});

test('arguments after the keys do not tell results apart', () => {
  const first = memo((key: object, hint: number) => ({ key, hint }), 1);
  const [x, y] = [{}, {}];
  assert.deepEqual(
    [first(x, 1), first(x, 2), first(y, 3)].map(({ hint }) => hint),
    [1, 1, 3],
  );
  assert.equal(first(x, 1), first(x, 2));
});

test('values that have one number are kept apart, as many as there are places for', () => {
  // A text and the number that reads like it are hashed alike.
  const alike = [1, '1', 1n].map(value => ({ value }));
  const kept = alike.map(one);
  assert.equal(new Set(kept).size, alike.length);
  for (const [i, record] of alike.entries()) assert.equal(one({ ...record }), kept[i]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { within } from './within.ts';

const cases: readonly [string, unknown, unknown, boolean][] = [
  ['members that are not named do not matter', { a: 1, b: 2 }, { a: 1 }, true],
  ['members that are named do', { a: 1 }, { a: 2 }, false],
  ['null for what is not there', { a: 1 }, { b: null }, true],
  ['null for what is', { a: 1 }, { a: null }, false],
  ['inside of members', { a: { b: 1, c: 2 } }, { a: { b: 1, d: null } }, true],
  ['an object where there is none', {}, { a: { b: null } }, false],
  ['lists as a whole', { a: [1, 2] }, { a: [1] }, false],
  ['an empty list', { a: [1] }, { a: [] }, false],
  ['the order of a list', { a: [1, 2] }, { a: [2, 1] }, false],
  ['objects in a list in part', { a: [{ b: 1, c: 2 }] }, { a: [{ b: 1 }] }, true],
];

for (const [what, value, expectation, met] of cases)
  test(`an expectation: ${what}`, () => {
    assert.equal(isDeepStrictEqual(within(value, expectation), expectation), met);
  });

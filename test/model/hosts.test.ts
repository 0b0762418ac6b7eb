import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bySpecificity, covers, findHost, HostSet, hostTable, overlaps, wildcardsOver } from '../../src/istio/hosts.ts';

const name = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'com'), { minLength: 1, maxLength: 3 })
  .map(parts => parts.join('.'));
const host = fc.oneof(
  name,
  name.map(of => `*.${of}`),
  name.map(of => `*${of}`),
  fc.constant('*'),
);
const hosts = fc.uniqueArray(host, { maxLength: 12 });

test('what covers a host, and what has a name in common with it, is found among many as it is among few', () => {
  let found = 0;
  fc.assert(
    fc.property(hosts, host, (all, asked) => {
      const over = all.filter(by => covers(by, asked));
      const set = new HostSet(all);
      assert.equal(set.covers(asked), over.length > 0);
      assert.equal(
        set.overlaps(asked),
        all.some(other => overlaps(other, asked)),
      );
      const table = hostTable(all.map(by => [by, [by]] as const));
      assert.equal(findHost(table, asked)?.[0], over.toSorted(bySpecificity)[0]);
      assert.deepEqual(
        wildcardsOver(table, asked).map(([by]) => by),
        over.filter(by => by.startsWith('*')).toSorted(bySpecificity),
      );
      found += over.length;
    }),
    { seed: 1, numRuns: 2_000 },
  );
  assert.ok(found > 1_000, `${found} cover what was asked for`);
});

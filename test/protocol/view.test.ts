import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ALL, nameSet } from '../../src/xds/name-set.ts';
import type { EncodedResource } from '../../src/xds/resource.ts';
import { joinedSet, type Part, part } from '../../src/xds/resource-set.ts';
import { difference, resourcesIn, type View, view } from '../../src/xds/view.ts';

const letters = ['a', 'b', 'c', 'd', 'e'];

const resources = fc
  .uniqueArray(fc.record({ name: fc.constantFrom(...letters), version: fc.constantFrom('1', '2') }), {
    selector: r => r.name,
  })
  .map(list => list.map((r): EncodedResource => ({ ...r, bytes: Buffer.from(r.version), sources: [] })));

/** The list in three parts, some of them empty. */
const inParts = (list: readonly EncodedResource[], a: number, b: number): readonly Part[] => {
  const [first, last] = [Math.min(a, b), Math.max(a, b)];
  return [list.slice(0, first), list.slice(first, last), list.slice(last)].map(some => part(some));
};

const anyView: fc.Arbitrary<View> = fc
  .tuple(resources, fc.option(fc.subarray(letters)), fc.nat(5), fc.nat(5))
  .map(([list, names, a, b]) => view(joinedSet('route', inParts(list, a, b)), names ? nameSet(names) : ALL, undefined));

test('what must be sent is what a client does not have, or has in another version, whatever sets and names are', () => {
  fc.assert(
    fc.property(anyView, anyView, (from, to) => {
      const before = new Map([...resourcesIn(from)].map(r => [r.name, r.version]));
      const after = new Map([...resourcesIn(to)].map(r => [r.name, r.version]));
      const { changed, added, removed } = difference(from, to);
      const names = (list: Iterable<string>): readonly string[] => [...list].sort();
      assert.equal(new Set([...changed.map(r => r.name), ...removed]).size, changed.length + removed.length);
      assert.deepEqual(
        names(changed.map(r => `${r.name} ${r.version}`)),
        names([...after].filter(([name, version]) => before.get(name) !== version).map(entry => entry.join(' '))),
      );
      assert.deepEqual(names(added), names([...after.keys()].filter(name => !before.has(name))));
      assert.deepEqual(names(removed), names([...before.keys()].filter(name => !after.has(name))));
    }),
    { numRuns: 2_000 },
  );
});

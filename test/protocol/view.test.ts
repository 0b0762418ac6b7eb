import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ALL, nameSet } from '../../src/xds/name-set.ts';
import type { EncodedResource } from '../../src/xds/resource.ts';
import { resourceSet } from '../../src/xds/resource-set.ts';
import { difference, resourcesIn, type View, view } from '../../src/xds/view.ts';

const letters = ['a', 'b', 'c', 'd', 'e'];

const resources = fc
  .uniqueArray(fc.record({ name: fc.constantFrom(...letters), version: fc.constantFrom('1', '2') }), {
    selector: r => r.name,
  })
  .map(list => list.map((r): EncodedResource => ({ ...r, bytes: Buffer.from(r.version), sources: [] })));

const anyView: fc.Arbitrary<View> = fc
  .tuple(resources, fc.option(fc.subarray(letters)))
  .map(([list, names]) => view(resourceSet('route', list), names ? nameSet(names) : ALL, undefined));

test('what must be sent is what a client does not have, or has in another version, whatever sets and names are', () => {
  fc.assert(
    fc.property(anyView, anyView, (from, to) => {
      const before = new Map([...resourcesIn(from)].map(r => [r.name, r.version]));
      const after = new Map([...resourcesIn(to)].map(r => [r.name, r.version]));
      const { changed, added, removed } = difference(from, to);
      const names = (list: Iterable<string>): readonly string[] => [...list].sort();
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

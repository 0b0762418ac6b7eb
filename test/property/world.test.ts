import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { kindNames } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { pushOrder } from '../../src/xds/resource-types.ts';
import { expectedOf } from '../support/golden.ts';
import { recased } from '../support/letter-case.ts';
import { messagesOf } from '../support/translation.ts';
import { findings } from '../support/validators.ts';
import { proxies, worldWith } from './base-mesh.ts';
import { anObject, someObjects } from './objects.ts';

/** FUZZ_RUNS: how many worlds are made, 20 times as many as `npm test` makes by default with 8000; FUZZ_SEED: others than always. */
const runs = Number(process.env['FUZZ_RUNS'] ?? 400);
const seed = Number(process.env['FUZZ_SEED'] ?? 1);

function check(objects: readonly RawObject[]): void {
  const world = worldWith(objects);
  // An EnvoyFilter may take clusters away; what would have been there without it is its user's business.
  const filters = objects.some(({ kind }) => kind === 'EnvoyFilter');
  const unpatched = filters ? worldWith(objects.filter(({ kind }) => kind !== 'EnvoyFilter')) : undefined;
  for (const [name, proxy] of Object.entries(proxies)) {
    const found = findings(messagesOf(world.of(proxy).translation), {
      ...expectedOf(world, proxy),
      removed: unpatched?.of(proxy).translation.clusters.map(({ name }) => name) ?? [],
    });
    assert.deepEqual(found, [], name);
  }
}

for (const kind of kindNames) {
  test(`${kind}: whatever it says, what is sent is sound`, () => {
    fc.assert(
      fc.property(anObject(kind), object => check([object])),
      { numRuns: Math.ceil(runs / 40), seed },
    );
  });
}

test('whatever some objects say, capitals in their hosts change nothing of what is sent', () => {
  let hosts = 0;
  const sent = (objects: readonly RawObject[]) => {
    const world = worldWith(objects);
    return Object.values(proxies).map(proxy =>
      pushOrder.map(type => world.of(proxy).snapshot[type].list.map(r => `${r.name} ${r.version}`)),
    );
  };
  fc.assert(
    fc.property(someObjects, objects => {
      const capitals = recased(objects);
      if (!capitals.hosts.size) return;
      for (const count of capitals.hosts.values()) hosts += count;
      assert.deepEqual(sent(capitals.objects), sent(objects));
    }),
    { numRuns: Math.ceil(runs / 8), seed },
  );
  assert.ok(hosts > runs / 8, `only ${hosts} hosts were written with capitals`);
});

test('whatever some objects say, what is sent is sound', () => {
  fc.assert(fc.property(someObjects, check), { numRuns: Math.ceil(runs / 2), seed });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { kindNames } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { identify } from '../../src/model/identify.ts';
import { lacksIn } from '../support/golden.ts';
import { messagesOf } from '../support/translation.ts';
import { findings } from '../support/validators.ts';
import { proxies, worldWith } from './base-mesh.ts';
import { anObject, someObjects } from './objects.ts';

/** FUZZ_RUNS: how many worlds are made, 20 times as many as `npm test` makes by default with 8000; FUZZ_SEED: others than always. */
const runs = Number(process.env['FUZZ_RUNS'] ?? 400);
const seed = Number(process.env['FUZZ_SEED'] ?? 1);

function check(objects: readonly RawObject[]): void {
  const world = worldWith(objects);
  for (const [name, proxy] of Object.entries(proxies)) {
    const { translation } = world.of(proxy);
    const found = findings(messagesOf(translation), {
      problems: [...world.problems, ...translation.problems],
      lacks: lacksIn(identify(world.mesh, proxy).scope),
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

test('whatever some objects say, what is sent is sound', () => {
  fc.assert(fc.property(someObjects, check), { numRuns: Math.ceil(runs / 2), seed });
});

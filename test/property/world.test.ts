import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { kindNames } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { messagesOf } from '../support/translation.ts';
import { findings } from '../support/validators.ts';
import { proxies, worldWith } from './base-mesh.ts';
import { anObject, someObjects } from './objects.ts';

/** FUZZ_RUNS: how many worlds are made, 20 times as many as `npm test` makes by default with 8000; FUZZ_SEED: others than always. */
const runs = Number(process.env['FUZZ_RUNS'] ?? 400);
const seed = Number(process.env['FUZZ_SEED'] ?? 1);

/**
 * A route to what is not there is the user's mistake, and is sent as istiod sends it: there is a Problem for it. The access log service is in
 * the bootstrap of an agent that was told where it is.
 */
const isUsersMistake = (finding: string): boolean =>
  /names the cluster '(outbound(_\.|\|)[^']*|envoy_accesslog_service)', which does not exist/.test(finding);

function check(objects: readonly RawObject[]): void {
  const world = worldWith(objects);
  for (const [name, proxy] of Object.entries(proxies)) {
    const { translation } = world.of(proxy);
    const found = findings(messagesOf(translation)).filter(finding => !isUsersMistake(finding));
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

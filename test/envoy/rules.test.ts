import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pathText } from '../../src/proto/faults.ts';
import { ENVOY_VERSION, envoyMissing, validate } from '../support/envoy.ts';
import { faultsOf, mutants } from './mutants.ts';
import { original } from './original.ts';

/** Every so-manieth mutant is shown; all of them with RULES_EVERY=1, which takes a quarter of an hour. */
const EVERY = Number(process.env['RULES_EVERY'] || 83);

/** What Envoy says of its descriptors' rules: neither that nor a value that only its code refuses. */
const byRules = (said: string): boolean => said.includes('Proto constraint validation failed');

const missing = await envoyMissing(ENVOY_VERSION);

describe(`Envoy ${ENVOY_VERSION} refuses what we know it to refuse`, { skip: missing, timeout: 3_600_000 }, () => {
  test('it takes what is changed in one value', async () => {
    assert.deepEqual(faultsOf(original), []);
    assert.equal(await validate(JSON.stringify(original)), '');
  });

  const all = [...mutants()];
  const shown = all.filter((_, i) => i % EVERY === EVERY - 1);

  test('mutants of both kinds are shown', () => {
    assert.ok(all.length > 3000);
    assert.ok(shown.some(mutant => mutant.faults.length) && shown.some(mutant => !mutant.faults.length));
  });

  for (const { path, json, faults } of shown)
    test(path, async () => {
      const said = await validate(JSON.stringify(json));
      const ours = faults.map(fault => `${pathText(fault.path)} ${fault.message}`).join('\n');
      if (faults.length) assert.notEqual(said, '', `Envoy takes what we refuse: ${ours}`);
      else assert.ok(!byRules(said), `Envoy refuses what we take: ${said}`);
    });
});

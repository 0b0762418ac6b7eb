import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { combinationOf, combinations } from './combinations.ts';
import { golden, lines, write } from './golden.ts';
import { Istio, pilotAgent } from './istio.ts';
import { ours } from './ours.ts';

const update = Boolean(process.env['UPDATE_GOLDEN']);

describe('pilotlight iptables --dry-run prints what istio-iptables --dry-run does', () => {
  let istio: Istio | undefined;
  before(async () => {
    if (!update) return;
    assert.ok(existsSync(pilotAgent), `the goldens are Istio's answers, and there is no ${pilotAgent} to ask`);
    istio = await Istio.start();
  });
  after(() => istio?.stop());

  assert.ok(lines.length >= 130, `the table has ${lines.length} lines`);
  for (const [about, list] of Object.entries(combinations))
    test(about, async () => {
      if (istio) {
        const answers = new Map<string, string>();
        for (const line of list) answers.set(line, await istio.rules(combinationOf(line)));
        write(about, answers);
      }
      const expected = golden(about);
      assert.deepEqual([...expected.keys()], list);
      for (const line of list) assert.equal(ours(combinationOf(line)), expected.get(line), line);
    });
});

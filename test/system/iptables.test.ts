import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { combinationOf } from '../iptables/combinations.ts';
import { golden, lines } from '../iptables/golden.ts';
import { Istio, pilotAgent } from '../iptables/istio.ts';
import { ours } from '../iptables/ours.ts';
import { randomLine } from '../iptables/random.ts';

const execute = promisify(execFile);
const noAgent = existsSync(pilotAgent) ? false : `no ${pilotAgent}`;

describe("Istio's istio-iptables --dry-run beside pilotlight iptables", { skip: noAgent }, () => {
  let istio: Istio;
  before(async () => {
    istio = await Istio.start();
  });
  after(() => istio?.stop());

  test('the goldens are what it prints', async () => {
    for (const { about, line } of lines)
      assert.equal(golden(about).get(line), await istio.rules(combinationOf(line)), line);
  });

  test('any flags make the same rules', async () => {
    await fc.assert(
      fc.asyncProperty(randomLine, async line => {
        const combination = combinationOf(line);
        assert.equal(ours(combination), await istio.rules(combination), line);
      }),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 150) },
    );
  });
});

describe('lines of the table in the kernel', () => {
  for (const kind of ['nft', 'legacy'] as const)
    test(`${kind}: put in force, found in force, taken away`, async () => {
      const name = `pilotlight-table-${kind}-${process.pid}`;
      await execute('ip', ['netns', 'add', name]);
      try {
        await execute('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
        const program = join(import.meta.dirname, '../iptables/kernel.ts');
        const { stdout } = await execute('ip', ['netns', 'exec', name, process.execPath, program, kind]);
        const { wrong, done } = JSON.parse(stdout) as { readonly wrong: readonly string[]; readonly done: number };
        assert.deepEqual(wrong, []);
        assert.ok(done >= (kind === 'nft' ? 35 : 13), `${done} lines`);
      } finally {
        await execute('ip', ['netns', 'del', name]);
      }
    });
});

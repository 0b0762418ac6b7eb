import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { main } from '../cli/program.ts';
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

  test('so does the program itself, whose addresses are those of a link that leads nowhere yet', async () => {
    for (const machine of ['ipv4', 'ipv6', 'dual'] as const) {
      const args = ['-b', '*', '-i', '*', '--dual-stack', '--redirect-dns'];
      const printed = await istio.on(machine, [process.execPath, main, 'iptables', '--dry-run', ...args]);
      assert.equal(printed, await istio.rules({ machine, args, env: {} }), machine);
    }
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

  test('put in force by four at once: each says so, and they are there once; routing follows another mark and table', async () => {
    const name = `pilotlight-at-once-${process.pid}`;
    const within = async (...program: readonly string[]) =>
      (await execute('ip', ['netns', 'exec', name, ...program])).stdout;
    const put = (...flags: readonly string[]) =>
      within(process.execPath, main, 'iptables', '-m', 'TPROXY', '-b', '*', '-i', '*', '-c', 'eth1', ...flags);
    const routing = async () =>
      (await within('ip', 'rule')) + (await within('ip', 'route', 'show', 'table', 'all', 'type', 'local'));
    await execute('ip', ['netns', 'add', name]);
    try {
      await execute('ip', ['-n', name, 'addr', 'add', '10.244.0.9/24', 'dev', 'lo']);
      await Promise.all([put(), put(), put(), put()]);
      const rules = await within('iptables-nft-save');
      assert.equal(rules.split('-A OUTPUT -j ISTIO_OUTPUT\n').length, 2, rules);
      assert.equal((await within('ip', 'rule')).split('fwmark 0x539 lookup 133').length, 2);
      assert.equal(await put(), '');
      for (const [mark, table] of [
        [99, 133],
        [99, 200],
        [1337, 200],
      ] as const) {
        await put('-t', String(mark), '-r', String(table), '--reconcile');
        const left = (await routing()).split('\n').filter(line => /fwmark|^local default/.test(line));
        const hex = mark.toString(16);
        assert.equal(left.length, 2, left.join());
        assert.match(left.join(), new RegExp(`fwmark 0x${hex} lookup ${table},local default dev lo table ${table} `));
      }
    } finally {
      await execute('ip', ['netns', 'del', name]);
    }
  });
});

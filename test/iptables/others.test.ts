import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nobody } from '../../src/iptables/meaning.ts';
import { isOwn, type Rule, TABLES, type Table, tablesOf } from '../../src/iptables/rule.ts';
import { rulesOf } from '../../src/iptables/rules.ts';
import type { State } from '../../src/iptables/saved.ts';
import { removalOf, standingOf } from '../../src/iptables/standing.ts';
import { combinationOf } from './combinations.ts';
import { settingsOf } from './ours.ts';
import { randomLine } from './random.ts';

/** Rules of others in the kernel's chains, written as ours are. */
const alike: Readonly<Record<Table, Readonly<Record<string, readonly string[]>>>> = {
  mangle: {
    PREROUTING: ['-i in0 -j RETURN', '-p tcp -m mark --mark 0x5 -j CONNMARK --save-mark', '-i eth0 -p tcp -j RETURN'],
    OUTPUT: ['-o out0 -j RETURN', '-p tcp -o lo -m mark --mark 0x5 -j RETURN', '-j MARK --set-xmark 0x53a/0xffffffff'],
  },
  nat: {
    PREROUTING: ['-i in0 -j RETURN', '-i in1 -j RETURN', '-m comment --comment "-j ISTIO_INBOUND" -j KUBE-SERVICES'],
    OUTPUT: ['-o out0 -j RETURN', '-o out1 -j RETURN', '-j KUBE-SERVICES'],
  },
  raw: { PREROUTING: ['-i in0 -j RETURN'], OUTPUT: ['-p udp --dport 53 -j CT --zone 1'] },
};

/** What is in force when these rules were put beside those that were there, and others came later. */
function stateWith(rules: readonly Rule[], first: readonly boolean[], after: readonly boolean[]): State {
  let n = 0;
  const some = (table: Table, chain: string, which: readonly boolean[]) =>
    (alike[table][chain] ?? []).filter(() => which[n++ % which.length]);
  const state = new Map<string, Map<string, string[]>>();
  for (const table of TABLES) {
    const chains = new Map(['PREROUTING', 'OUTPUT'].map(chain => [chain, [...some(table, chain, first)]]));
    state.set(table, chains);
    for (const { chain, spec, at } of tablesOf(rules).get(table) ?? []) {
      const specs = chains.get(chain) ?? [];
      chains.set(chain, specs);
      specs.splice(at === undefined ? specs.length : at - 1, 0, spec);
      const to = / -j (ISTIO_\w+)$/.exec(` ${spec}`)?.[1];
      if (to && !chains.has(to)) chains.set(to, []);
    }
    for (const [chain, specs] of chains)
      if (!isOwn(chain)) {
        specs.unshift(...some(table, chain, after));
        specs.push(...some(table, chain, after));
      }
  }
  return state;
}

test('whatever the flags and whatever others have: our rules are found in force, and they alone are taken away', () => {
  let compared = 0;
  const which = fc.array(fc.boolean(), { minLength: 5, maxLength: 7 });
  fc.assert(
    fc.property(randomLine, which, which, (line, first, after) => {
      const { capture, versions } = settingsOf(combinationOf(line));
      for (const version of versions) {
        const rules = rulesOf(capture, version);
        const state = stateWith(rules, first, after);
        for (const [table, wanted] of tablesOf(rules)) {
          assert.deepEqual(standingOf(table, wanted, state, nobody), { kind: 'same' }, `${line}: ${table}`);
          const gone = removalOf(table, wanted, state, nobody).filter(text => text.startsWith('-D '));
          const put = wanted.filter(({ chain }) => !isOwn(chain)).map(({ chain, spec }) => `-D ${chain} ${spec}`);
          assert.deepEqual([...gone].sort(), put.sort(), `${line}: ${table}`);
          compared++;
        }
      }
    }),
  );
  assert.ok(compared >= 100);
});

test('what other flags made is found, though others have the like', () => {
  const told = (line: string) => settingsOf(combinationOf(line)).capture;
  const lines: readonly (readonly [there: string, wanted: string])[] = [
    ['-b * -i * -c eth1', '-b * -i *'],
    ['-b * -i *', '-b * -i * -c eth1'],
    ['-b * -i * -c eth1', '-b * -i * -c eth2'],
    ['-i * -c eth1,eth2', '-i * -c eth2,eth1'],
    ['-b * -i * -k eth1', '-b * -i *'],
    ['-m TPROXY -b * -i * -c eth1', '-m TPROXY -b * -i *'],
    ['-m TPROXY -b * -i * -t 7', '-m TPROXY -b * -i *'],
    ['-m TPROXY -b * -i * -u 5', '-m TPROXY -b * -i * -u 6'],
  ];
  for (const [there, wanted] of lines) {
    const rules = rulesOf(told(there), 4);
    const state = stateWith(rules, [true], [true]);
    const standings = [...tablesOf(rulesOf(told(wanted), 4))].map(([table, own]) =>
      standingOf(table, own, state, nobody),
    );
    assert.ok(
      standings.some(({ kind }) => kind === 'different'),
      `${there} is taken for ${wanted}`,
    );
    for (const [table, own] of tablesOf(rules)) {
      const gone = removalOf(table, [], state, nobody).filter(text => text.startsWith('-D '));
      const put = own.filter(({ chain }) => !isOwn(chain)).map(({ chain, spec }) => `-D ${chain} ${spec}`);
      assert.deepEqual([...gone].sort(), put.sort(), `${there}: ${table}`);
    }
  }
});

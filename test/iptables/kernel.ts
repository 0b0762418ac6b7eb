/**
 * Puts lines of the table in force in the network namespace that it runs in, beside rules of others, and says what is wrong: rules that are not
 * found in force afterwards, and whatever is another than it was when they have been taken away. Argument: nft, which takes every third, or legacy,
 * which takes every eighth.
 */

import { execFileSync } from 'node:child_process';
import { apply, cleanUp, type Manner } from '../../src/iptables/apply.ts';
import { combinationOf } from './combinations.ts';
import { lines } from './golden.ts';
import { settingsOf } from './ours.ts';

const kind = process.argv[2] === 'legacy' ? 'legacy' : 'nft';
const wrong: string[] = [];
let done = 0;

/** Rules of those who share the kernel's chains, such as kube-proxy and container runtimes; some are written as ours are. */
const others = `*nat
:KUBE-SERVICES - [0:0]
:DOCKER - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -i docker0 -j RETURN
-A OUTPUT -m comment --comment "it's not \\"-j ISTIO_OUTPUT\\"" -j KUBE-SERVICES
-A OUTPUT -o other0 -j RETURN
-A KUBE-SERVICES -p udp -m udp --dport 53 -j RETURN
-A DOCKER -i docker0 -j RETURN
COMMIT
*mangle
-A PREROUTING -p tcp -m mark --mark 0x5 -j CONNMARK --save-mark
-A PREROUTING -m conntrack --ctstate INVALID -j DROP
-A PREROUTING -i docker0 -j RETURN
-A OUTPUT -p tcp -m connmark --mark 0x5 -j CONNMARK --restore-mark
-A OUTPUT -o other0 -j RETURN
COMMIT
*raw
-A PREROUTING -p udp -m udp --dport 53 -j CT --notrack
COMMIT
`;
const ip = (...args: readonly string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
const programs = ['iptables', 'ip6tables'].map(program => `${program}-${kind}`);
for (const program of programs) execFileSync(`${program}-restore`, ['--noflush'], { input: others });
// Somebody else's routing by the mark that is Istio's, too.
for (const family of ['-4', '-6']) ip(family, 'rule', 'add', 'fwmark', '1337', 'lookup', '77');

const state = (): string =>
  [
    ...programs.map(program => execFileSync(`${program}-save`, { encoding: 'utf8' })),
    ...['-4', '-6'].flatMap(family => [ip(family, 'rule'), ip(family, 'route', 'show', 'table', 'all')]),
    ip('addr', 'show', 'lo'),
  ]
    .join('')
    .split('\n')
    .filter(line => !/^#|^:(PREROUTING|INPUT|OUTPUT|POSTROUTING|FORWARD) /.test(line))
    .join('\n');

/** Where nothing is redirected from a virtual interface its rule is like any other's: the flag has to be there again. */
const isTold = (line: string): boolean => /-k /.test(line);

const before = state();
for (const [i, { line }] of lines.entries()) {
  // No machine has groups of these names for certain, and no iptables-restore reads a rule about 64 of them.
  if (/java|ssh|,2063/.test(line) || i % (kind === 'legacy' ? 8 : 3) > 0) continue;
  const { capture, versions, cleanupOnly, skipRuleApply } = settingsOf(combinationOf(line));
  if (cleanupOnly || skipRuleApply) continue;
  const manner: Manner = { versions, leftovers: 'refuse', forcedBinary: kind };
  const quiet = (): void => {};
  try {
    if (!(await apply(capture, manner, quiet))) wrong.push(`${line}: nothing was put in force`);
    const again = await apply(capture, manner, quiet);
    if (again) wrong.push(`${line}: not found in force: ${again}`);
    // Whichever flags made them, but for what cannot be told from others'.
    await cleanUp(settingsOf(combinationOf(isTold(line) ? line : '')).capture, manner, quiet);
    if (state() !== before) wrong.push(`${line}: left: ${state()}`);
  } catch (error) {
    wrong.push(`${line}: ${String(error)}`);
    await cleanUp(capture, manner, quiet);
  }
  done++;
}
console.log(JSON.stringify({ wrong, done }));

/**
 * Puts lines of the table in force in the network namespace that it runs in, one after the other, and says what is wrong: rules that are not found
 * in force afterwards, and what is left when they have been taken away. Argument: nft, which takes every third, or legacy, which takes every eighth.
 */

import { execFileSync } from 'node:child_process';
import { apply, cleanUp, type Manner } from '../../src/iptables/apply.ts';
import { combinationOf } from './combinations.ts';
import { lines } from './golden.ts';
import { settingsOf } from './ours.ts';

const kind = process.argv[2] === 'legacy' ? 'legacy' : 'nft';
const wrong: string[] = [];
let done = 0;

const left = (): string =>
  ['iptables', 'ip6tables']
    .map(program => execFileSync(`${program}-${kind}-save`, { encoding: 'utf8' }))
    .join('')
    .split('\n')
    .filter(line => line.startsWith('-A') || line.startsWith(':ISTIO'))
    .join('; ');

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
    // Whichever flags made them.
    await cleanUp(settingsOf(combinationOf('')).capture, manner, quiet);
    if (left()) wrong.push(`${line}: left: ${left()}`);
  } catch (error) {
    wrong.push(`${line}: ${String(error)}`);
    await cleanUp(capture, manner, quiet);
  }
  done++;
}
console.log(JSON.stringify({ wrong, done }));

import { iptables } from '../../src/cli/commands.ts';
import { type IptablesSettings, iptablesSettings, type Machine } from '../../src/cli/iptables-settings.ts';
import { readArguments } from '../../src/command.ts';
import { restoreText } from '../../src/iptables/rule.ts';
import { rulesOf } from '../../src/iptables/rules.ts';
import type { Combination, MachineKind } from './combinations.ts';

/** The DNS servers of a machine, as its resolv.conf has them. */
export const nameserversOf = (machine: MachineKind): readonly string[] => [
  ...(machine === 'ipv6' ? [] : ['10.96.0.10', '10.96.0.11']),
  ...(machine === 'ipv4' ? [] : ['fd00:96::a']),
];

/** Users of the machine that the table knows by name. */
const users = new Map([
  ['root', '0'],
  ['daemon', '1'],
]);

/** What flags are read on. */
export const machineOf = ({ machine, env }: Combination): Machine => ({
  addresses: { ipv4: machine !== 'ipv6', ipv6: machine !== 'ipv4' },
  nameservers: () => nameserversOf(machine),
  users,
  env,
});

export const settingsOf = (combination: Combination): IptablesSettings =>
  iptablesSettings(readArguments(iptables, combination.args, combination.env), machineOf(combination));

/** What `pilotlight iptables --dry-run` prints on such a machine. */
export function ours(combination: Combination): string {
  const { capture, versions, cleanupOnly, skipRuleApply } = settingsOf(combination);
  if (cleanupOnly || skipRuleApply) return '';
  return versions.map(version => restoreText(rulesOf(capture, version))).join('');
}

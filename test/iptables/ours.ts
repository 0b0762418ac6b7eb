import { iptables } from '../../src/cli/commands.ts';
import { iptablesSettings } from '../../src/cli/iptables-settings.ts';
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

/** What `pilotlight iptables --dry-run` prints on such a machine. */
export function ours({ machine, args, env }: Combination): string {
  const { capture, versions, cleanupOnly, skipRuleApply } = iptablesSettings(readArguments(iptables, args, env), {
    addresses: { ipv4: machine !== 'ipv6', ipv6: machine !== 'ipv4' },
    nameservers: () => nameserversOf(machine),
    users,
    env,
  });
  if (cleanupOnly || skipRuleApply) return '';
  return versions.map(version => restoreText(rulesOf(capture, version))).join('');
}

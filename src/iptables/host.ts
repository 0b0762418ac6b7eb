import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { cidrOf } from './cidr.ts';
import type { Accounts } from './meaning.ts';

/** Which families of addresses a machine has. */
export interface Addresses {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** The families in which others reach this machine: not by loopback or link-local addresses, whichever interface has them. */
export function ownAddresses(): Addresses {
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? []);
  const reached = all.filter(({ address }) => !/^(127\.|169\.254\.|fe[89ab]|::1$)/i.test(address));
  return {
    ipv4: reached.some(({ family }) => family === 'IPv4'),
    ipv6: reached.some(({ family }) => family === 'IPv6'),
  };
}

/** The DNS servers in the text of resolv.conf, each as it is written shortest. */
export const nameserversIn = (text: string): readonly string[] =>
  text.split('\n').flatMap(line => {
    const [, server = ''] = /^\s*nameserver\s+(\S+)/.exec(line) ?? [];
    if (isIP(server) === 0 || server.includes('%')) return [];
    return cidrOf(`${server}/${isIP(server) === 4 ? 32 : 128}`)?.text.replace(/\/\d+$/, '') ?? [];
  });

/** Name to number, of a file such as /etc/passwd. */
function numbers(file: string): ReadonlyMap<string, string> {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // Without the file nobody has a name.
  }
  return new Map(
    text
      .split('\n')
      .map(line => line.split(':'))
      .map(([name = '', , id = '']) => [name, id]),
  );
}

/** The users and groups of this machine. */
export const accountsHere = (): Accounts => ({ users: numbers('/etc/passwd'), groups: numbers('/etc/group') });

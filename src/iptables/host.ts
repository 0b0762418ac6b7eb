import { readFileSync } from 'node:fs';
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { cidrOf } from './cidr.ts';
import type { Accounts } from './meaning.ts';
import { run } from './process.ts';

/** Which families of addresses a machine has. */
export interface Addresses {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** All addresses of all interfaces, also of those that are down or whose other end is: a pod's may come up later. */
async function allAddresses(): Promise<readonly string[]> {
  const { code, out } = await run('ip', ['-j', 'addr', 'show']);
  // Where there is no such program, to print rules takes none either; Node leaves out interfaces that are down.
  if (code !== 0) return Object.values(networkInterfaces()).flatMap(list => (list ?? []).map(({ address }) => address));
  const links = JSON.parse(out || '[]') as readonly {
    readonly addr_info?: readonly { readonly local?: string }[];
  }[];
  return links.flatMap(({ addr_info = [] }) => addr_info.flatMap(({ local }) => local ?? []));
}

/** The families in which others reach this machine: not by loopback or link-local addresses, whichever interface has them. */
export async function ownAddresses(): Promise<Addresses> {
  const reached = (await allAddresses()).filter(address => !/^(127\.|169\.254\.|fe[89ab]|::1$)/i.test(address));
  return { ipv4: reached.some(isIPv4), ipv6: reached.some(isIPv6) };
}

/** A line that names a server; between words may be what Go takes for space, which is how Istio reads it. */
const NAMESERVER = /^[\t-\r \x85\xa0]*nameserver[\t-\r \x85\xa0]+([^\t-\r \x85\xa0]+)/;

/** The DNS servers in the text of resolv.conf, each as it is written shortest. */
export const nameserversIn = (text: string): readonly string[] =>
  text.split('\n').flatMap(line => {
    const [, server = ''] = NAMESERVER.exec(line) ?? [];
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
      .flatMap(([name, , id]): readonly [string, string][] => (name && id ? [[name, id]] : [])),
  );
}

/** The users and groups of this machine. */
export const accountsHere = (): Accounts => ({ users: numbers('/etc/passwd'), groups: numbers('/etc/group') });

import type { Capture } from './capture.ts';
import type { IpVersion } from './cidr.ts';
import { CaptureError, reason, run } from './process.ts';

/** The source of what the inbound proxy passes on over IPv6: IPv4's 127.0.0.6 is the machine's own without further ado. */
const passthrough = ['addr', 'add', '::6/128', 'dev', 'lo'] as const;

/**
 * What capturing takes beside rules, as arguments of `ip`: for IPv6 an address on the loopback interface, for TPROXY a routing table that brings
 * marked packets to the loopback interface, where the proxy takes them with their addresses as they are.
 */
export function routesOf(capture: Capture, version: IpVersion): readonly (readonly string[])[] {
  const { interception, inboundPorts, tproxyMark, tproxyRouteTable } = capture;
  const family = `-${version}`;
  const table = String(tproxyRouteTable);
  return [
    ...(version === 6 ? [[family, ...passthrough]] : []),
    ...(interception === 'TPROXY' && inboundPorts.length > 0
      ? [
          [family, 'rule', 'add', 'fwmark', String(tproxyMark), 'lookup', table],
          [family, 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', table],
        ]
      : []),
  ];
}

/** Adds what is not there yet. */
export async function addRoutes(commands: readonly (readonly string[])[]): Promise<void> {
  for (const command of commands) {
    const { code, err } = await run('ip', command);
    if (code !== 0 && !/file exists|already assigned/i.test(err))
      throw new CaptureError(`ip ${command.join(' ')}: ${reason(err)}`);
  }
}

/** Takes away what is there. */
export async function removeRoutes(commands: readonly (readonly string[])[]): Promise<void> {
  for (const command of commands.toReversed()) {
    const words = command.map(word => (word === 'add' ? 'del' : word));
    // Whatever is wrong with it, it is not there: the rules, which lead to it, are gone.
    await run('ip', words);
  }
}

import type { Capture } from './capture.ts';
import type { IpVersion } from './cidr.ts';
import { CaptureError, reason, run } from './process.ts';

/** The source of what the inbound proxy passes on over IPv6; 127.0.0.6 is every machine's own without further ado. */
const passthrough = ['::6/128', 'dev', 'lo'] as const;

const everything = ['local', 'default', 'dev', 'lo', 'table'] as const;

/** A rule of `ip rule` that sends marked packets to a routing table. */
interface MarkRule {
  readonly mark: number;
  readonly table: string;
}

/** The rules there are for whole marks. */
async function markRules(version: IpVersion): Promise<readonly MarkRule[]> {
  // Without -N a table may be called by a name that this machine has for it.
  const { code, out } = await run('ip', [`-${version}`, '-N', '-j', 'rule', 'show']);
  const listed: unknown = code === 0 ? JSON.parse(out || '[]') : [];
  if (!Array.isArray(listed)) return [];
  return (listed as readonly Readonly<Record<string, unknown>>[]).flatMap(({ fwmark, fwmask, table }) =>
    typeof fwmark === 'string' && fwmask === undefined ? [{ mark: Number(fwmark), table: String(table) }] : [],
  );
}

/** Does what may have been done before. */
async function add(args: readonly string[]): Promise<void> {
  const { code, err } = await run('ip', args);
  if (code !== 0 && !/file exists|already assigned/i.test(err))
    throw new CaptureError(`ip ${args.join(' ')}: ${reason(err)}`);
}

/**
 * Adds what capturing takes beside rules, where it is not there yet: for IPv6 an address on the loopback interface, for TPROXY a routing table
 * that brings marked packets to the loopback interface, where the proxy takes them with their addresses as they are.
 */
export async function addRoutes(capture: Capture, version: IpVersion): Promise<void> {
  const { interception, inboundPorts, tproxyMark: mark } = capture;
  const [family, table] = [`-${version}`, String(capture.tproxyRouteTable)];
  if (version === 6) await add([family, 'addr', 'add', ...passthrough]);
  if (interception !== 'TPROXY' || inboundPorts.length === 0) return;
  await add([family, 'route', 'add', ...everything, table]);
  const rules = await markRules(version);
  if (!rules.some(rule => rule.mark === mark && rule.table === table))
    await add([family, 'rule', 'add', 'fwmark', String(mark), 'lookup', table]);
}

/** Whether a routing table has the route of ours. */
async function hasRoute(version: IpVersion, table: string): Promise<boolean> {
  const { code, out } = await run('ip', [`-${version}`, '-N', '-j', 'route', 'show', 'table', table]);
  const routes: unknown = code === 0 ? JSON.parse(out || '[]') : [];
  return Array.isArray(routes) && routes.some(({ dst, dev }) => dst === 'default' && dev === 'lo');
}

/** Takes the routing of these marks away; what is not there, or leads elsewhere, is no mistake. */
export async function removeMarks(version: IpVersion, marks: ReadonlySet<number>): Promise<void> {
  for (const { mark, table } of marks.size > 0 ? await markRules(version) : []) {
    if (!marks.has(mark) || !(await hasRoute(version, table))) continue;
    await run('ip', [`-${version}`, 'rule', 'del', 'fwmark', String(mark), 'lookup', table]);
    await removeRoute(version, table);
  }
}

/** Takes the route out of a table. */
export async function removeRoute(version: IpVersion, table: string): Promise<void> {
  await run('ip', [`-${version}`, 'route', 'del', ...everything, table]);
}

/** Takes the address of the loopback interface away. */
export async function removePassthrough(version: IpVersion): Promise<void> {
  if (version === 6) await run('ip', ['-6', 'addr', 'del', ...passthrough]);
}

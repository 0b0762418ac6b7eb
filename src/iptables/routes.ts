import { fieldsOf, type JsonObject, jsonIn, listOf } from '../unknown.ts';
import type { Capture } from './capture.ts';
import type { IpVersion } from './cidr.ts';
import { CaptureError, reason, run } from './process.ts';

/** The source of what the inbound proxy passes on over IPv6; 127.0.0.6 is every machine's own without further ado. */
const passthrough = ['::6/128', 'dev', 'lo'] as const;

const everything = ['local', 'default', 'dev', 'lo', 'table'] as const;

/** A rule of `ip rule`: which packets go by a routing table. */
interface RoutingRule {
  /** Those with exactly this mark; undefined for whatever else a rule is about. */
  readonly mark: number | undefined;
  readonly table: string;
}

/** What there is, as far as it can be read: `shown(4, 'rule', 'show')`. */
async function shown(version: IpVersion, ...words: readonly string[]): Promise<readonly JsonObject[]> {
  // Without -N a table may be called by a name that this machine has for it.
  const { code, out } = await run('ip', [`-${version}`, '-N', '-j', ...words]);
  return code === 0 ? listOf(jsonIn(out)).map(fieldsOf) : [];
}

const routingRules = async (version: IpVersion): Promise<readonly RoutingRule[]> =>
  (await shown(version, 'rule', 'show')).map(({ fwmark, fwmask, table }) => ({
    mark: typeof fwmark === 'string' && fwmask === undefined ? Number(fwmark) : undefined,
    table: String(table),
  }));

/** The rule that a capture needs, none where it hands nothing over by marks. */
const wantedRule = ({ interception, inboundPorts, tproxyMark, tproxyRouteTable }: Capture): RoutingRule | undefined =>
  interception === 'TPROXY' && inboundPorts.length > 0
    ? { mark: tproxyMark, table: String(tproxyRouteTable) }
    : undefined;

const isSame = (a: RoutingRule, b: RoutingRule | undefined): boolean => a.mark === b?.mark && a.table === b?.table;

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
  const family = `-${version}`;
  if (version === 6) await add([family, 'addr', 'add', ...passthrough]);
  const wanted = wantedRule(capture);
  if (!wanted) return;
  await add([family, 'route', 'add', ...everything, wanted.table]);
  if ((await routingRules(version)).some(rule => isSame(rule, wanted))) return;
  await add([family, 'rule', 'add', 'fwmark', String(wanted.mark), 'lookup', wanted.table]);
}

/** Whether a routing table has the route of ours. */
const hasRoute = async (version: IpVersion, table: string): Promise<boolean> =>
  (await shown(version, 'route', 'show', 'table', table)).some(({ dst, dev }) => dst === 'default' && dev === 'lo');

/**
 * Takes the routing of these marks away, but for what a capture that is in force needs; what is not there, or leads elsewhere, is no mistake. A route
 * goes with the last rule that leads to its table: one mark may have followed another there.
 */
export async function removeMarks(version: IpVersion, marks: ReadonlySet<number>, inForce?: Capture): Promise<void> {
  const kept = inForce && wantedRule(inForce);
  const left = new Set<string>();
  for (const rule of marks.size > 0 ? await routingRules(version) : []) {
    const { mark, table } = rule;
    if (mark === undefined || !marks.has(mark) || isSame(rule, kept) || !(await hasRoute(version, table))) continue;
    await run('ip', [`-${version}`, 'rule', 'del', 'fwmark', String(mark), 'lookup', table]);
    left.add(table);
  }
  const standing = left.size > 0 ? await routingRules(version) : [];
  for (const table of left) if (!standing.some(rule => rule.table === table)) await removeRoute(version, table);
}

/** Takes the route out of a table. */
export async function removeRoute(version: IpVersion, table: string): Promise<void> {
  await run('ip', [`-${version}`, 'route', 'del', ...everything, table]);
}

/** Takes the address of the loopback interface away. */
export async function removePassthrough(version: IpVersion): Promise<void> {
  if (version === 6) await run('ip', ['-6', 'addr', 'del', ...passthrough]);
}

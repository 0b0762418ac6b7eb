import { type Arguments, UsageError } from '../command.ts';
import type { AllOr, Capture } from '../iptables/capture.ts';
import type { Leftovers } from '../iptables/change.ts';
import { type Cidr, cidrOf, type IpVersion } from '../iptables/cidr.ts';
import type { Addresses } from '../iptables/host.ts';
import type { Probe } from '../iptables/validation.ts';
import { milliseconds, parseDuration } from '../proto/duration.ts';
import { either } from '../settings/option-values.ts';

/** What the flags are read on. */
export interface Machine {
  readonly addresses: Addresses;
  /** The DNS servers of resolv.conf; throws what reading it throws. */
  nameservers(): readonly string[];
  readonly users: ReadonlyMap<string, string>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** All that `iptables` can be told. */
export interface IptablesSettings {
  readonly capture: Capture;
  /** None where the machine has no address that others reach it by. */
  readonly versions: readonly IpVersion[];
  readonly leftovers: Leftovers;
  readonly forcedBinary: 'legacy' | 'nft' | undefined;
  readonly dryRun: boolean;
  readonly skipRuleApply: boolean;
  readonly cleanupOnly: boolean;
  /** Absent where nothing is to be proved. */
  readonly validation: Probe | undefined;
  /** Worth a word to the user. */
  readonly warnings: readonly string[];
}

/** A text and how the user named it. */
interface Typed {
  readonly name: string;
  readonly text: string;
}

const entries = ({ text }: Typed): readonly string[] => text.split(',').flatMap(entry => entry.trim() || []);

const wrong = ({ name }: Typed, entry: string, expected: string): UsageError =>
  new UsageError(`${name}: '${entry}'; expected ${expected}`);

function list(typed: Typed, fits: RegExp, expected: string): readonly string[] {
  for (const entry of entries(typed)) if (!fits.test(entry)) throw wrong(typed, entry, expected);
  return entries(typed);
}

const allOr = <T>(typed: Typed, read: (typed: Typed) => readonly T[]): AllOr<T> =>
  typed.text.trim() === '*' ? '*' : read(typed);

function whole(typed: Typed, most: number, what: string): number {
  const value = /^[1-9]\d{0,9}$/.test(typed.text) ? Number(typed.text) : 0;
  if (value < 1 || value > most) throw wrong(typed, typed.text, `${what} from 1 to ${most}`);
  return value;
}

const port = (typed: Typed): number => whole(typed, 65535, 'a port');

/** Whether both ends of a range are there, in order; of one number, that it is not too high. */
const isRange = (entry: string, separator: string, most: number): boolean => {
  const [from, to = from] = entry.split(separator).map(Number);
  return from !== undefined && to !== undefined && from <= to && to <= most;
};

function ports(typed: Typed): readonly string[] {
  const expected = 'ports with commas between them, such as 80,8080 or 9000:9010';
  for (const entry of list(typed, /^\d{1,5}(:\d{1,5})?$/, expected))
    if (!isRange(entry, ':', 65535)) throw wrong(typed, entry, `${expected}, up to 65535, the lower one first`);
  return entries(typed).map(entry => entry.split(':').map(Number).join(':'));
}

const cidrs = (typed: Typed): readonly Cidr[] =>
  entries(typed).map(entry => {
    const cidr = cidrOf(entry);
    if (cidr) return cidr;
    const one = cidrOf(`${entry}/${entry.includes(':') ? 128 : 32}`);
    const hint = one ? `${one.text} for that one address` : 'blocks of addresses such as 10.0.0.0/8 or fd00::/64';
    throw wrong(typed, entry, entry === '*' ? '* alone, or blocks of addresses' : hint);
  });

/** The kernel's names of interfaces have at most 15 bytes; a + at the end stands for any others, alone for all, which no rule is needed for. */
function interfaces(typed: Typed): readonly string[] {
  const expected = 'names of interfaces of at most 15 bytes, such as eth1 or tap+';
  for (const entry of list(typed, /^[^\s/"'\\:!+-][^\s/"'\\:!]*$/, expected))
    if (Buffer.byteLength(entry) > 15) throw wrong(typed, entry, expected);
  return entries(typed);
}

/** The highest number of a user or group: the one above it stands for none. */
const MOST_OWNERS = 2 ** 32 - 2;

/** By number, by range or by name. A leading zero would make another number of it: iptables takes it for octal. */
function owners(typed: Typed, what: string): readonly string[] {
  const expected = `numbers or names of ${what}`;
  for (const entry of list(typed, /^((0|[1-9]\d*)(-(0|[1-9]\d*))?|[A-Za-z_][\w.-]*)$/, expected))
    if (/^\d/.test(entry) && !isRange(entry, '-', MOST_OWNERS))
      throw wrong(typed, entry, `${expected}, up to ${MOST_OWNERS}, the lower one first`);
  return entries(typed);
}

const orElse = <T>(list: readonly T[], otherwise: readonly T[]): readonly T[] => (list.length > 0 ? list : otherwise);

/** Istio puts all of them into one rule, and the kernel takes no more conditions in one. */
const MOST_GROUPS = 64;

function ownerGroups(typed: Typed): readonly string[] {
  const groups = owners(typed, 'groups');
  if (groups.length > MOST_GROUPS)
    throw new UsageError(`${typed.name}: ${groups.length} groups; there can be ${MOST_GROUPS}`);
  return groups;
}

/** A duration as Go writes it, in milliseconds: `1m30s`, `500ms`. */
function duration(typed: Typed): number {
  const value = milliseconds(parseDuration(typed.text) ?? {});
  if (value <= 0 || value > 3_600_000) throw wrong(typed, typed.text, 'a duration up to 1h, such as 5s or 500ms');
  return Math.max(1, Math.round(value));
}

function oneOf<T extends string>(typed: Typed, values: readonly T[]): T | undefined {
  const value = values.find(each => each === typed.text);
  if (value === undefined && typed.text !== '') throw wrong(typed, typed.text, either(values));
  return value;
}

function loopbackOf(typed: Typed): Cidr {
  const cidr = cidrOf(typed.text);
  if (cidr?.version !== 4 || !cidr.isLoopback || cidr.bits < 8)
    throw wrong(typed, typed.text, 'a block of IPv4 loopback addresses, such as 127.0.0.1/32');
  return cidr;
}

/** The families whose traffic is captured: IPv4 always, where there is anything to capture, as with Istio. */
function versionsOf({ ipv4, ipv6 }: Addresses, dualStack: boolean): readonly IpVersion[] {
  if (!ipv4 && !ipv6) return [];
  return ipv6 && (dualStack || !ipv4) ? [4, 6] : [4];
}

/** Reads the flags of `istio-iptables`. Throws a UsageError. */
export function iptablesSettings({ options, flags, spelled }: Arguments, machine: Machine): IptablesSettings {
  const { addresses, env, users } = machine;
  const typed = (name: string): Typed => ({ name: spelled[name] ?? `--${name}`, text: options[name] ?? '' });
  const variable = (name: string, otherwise: string): Typed => ({ name, text: env[name] ?? otherwise });
  if (flags.has('native-nftables'))
    throw new UsageError(
      `${typed('native-nftables').name}: not supported; without it rules are for iptables, and iptables-nft makes rules of nftables of them`,
    );
  const envoyUser = users.get(env['ENVOY_USER'] ?? 'istio-proxy') ?? '1337';
  // With nobody for the proxy its own traffic would come back to it.
  const proxyUsers = orElse(owners(typed('proxy-uid'), 'users'), [envoyUser]);
  const dns = flags.has('redirect-dns') ? (flags.has('capture-all-dns') ? '*' : machine.nameservers()) : [];
  const capture: Capture = {
    outboundPort: port(typed('envoy-port')),
    inboundPort: port(typed('inbound-capture-port')),
    tunnelPort: port(typed('inbound-tunnel-port')),
    proxyUsers,
    proxyGroups: orElse(owners(typed('proxy-gid'), 'groups'), proxyUsers),
    interception: oneOf(typed('istio-inbound-interception-mode'), ['REDIRECT', 'TPROXY']) ?? 'REDIRECT',
    tproxyMark: whole(typed('istio-inbound-tproxy-mark'), 2 ** 32 - 1, 'a mark'),
    tproxyRouteTable: whole(typed('istio-inbound-tproxy-route-table'), 2 ** 32 - 1, 'a routing table'),
    inboundPorts: allOr(typed('istio-inbound-ports'), ports),
    excludedInboundPorts: ports(typed('istio-local-exclude-ports')),
    outboundPorts: ports(typed('istio-outbound-ports')),
    excludedOutboundPorts: ports(typed('istio-local-outbound-ports-exclude')),
    outboundRanges: allOr(typed('istio-service-cidr'), cidrs),
    excludedOutboundRanges: cidrs(typed('istio-service-exclude-cidr')),
    excludedInterfaces: interfaces(typed('istio-exclude-interfaces')),
    virtualInterfaces: interfaces(typed('kube-virt-interfaces')),
    ownerGroups: allOr(variable('ISTIO_OUTBOUND_OWNER_GROUPS', '*'), ownerGroups),
    excludedOwnerGroups: owners(variable('ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE', ''), 'groups'),
    loopback: loopbackOf(variable('ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR', '127.0.0.1/32')),
    dns,
    dropInvalid: flags.has('drop-invalid'),
  };
  const probe = { port: port(typed('iptables-probe-port')), timeoutMs: duration(typed('probe-timeout')) };
  return {
    capture,
    versions: versionsOf(addresses, flags.has('dual-stack')),
    leftovers: flags.has('force-apply') ? 'renew' : flags.has('reconcile') ? 'replace' : 'refuse',
    forcedBinary: oneOf(typed('force-iptables-binary'), ['legacy', 'nft']),
    dryRun: flags.has('dry-run'),
    skipRuleApply: flags.has('skip-rule-apply'),
    cleanupOnly: flags.has('cleanup-only'),
    validation: flags.has('run-validation') ? probe : undefined,
    warnings:
      flags.has('redirect-dns') && dns.length === 0
        ? ['/etc/resolv.conf names no DNS server, so DNS is not captured; --capture-all-dns captures all of it']
        : [],
  };
}

import type { Cidr, IpVersion } from './cidr.ts';

/** `*`: all of them. */
export type AllOr<T> = '*' | readonly T[];

/** What of a pod's traffic is to go through its proxy; the flags of `istio-iptables` say what each is. */
export interface Capture {
  /** Where the proxy takes what the pod sends. */
  readonly outboundPort: number;
  /** Where it takes what the pod is sent. */
  readonly inboundPort: number;
  /** Where it takes HBONE; nothing redirects what is sent there. */
  readonly tunnelPort: number;
  /** Whose traffic is the proxy's own. */
  readonly proxyUsers: readonly string[];
  readonly proxyGroups: readonly string[];
  readonly interception: 'REDIRECT' | 'TPROXY';
  readonly tproxyMark: number;
  readonly tproxyRouteTable: number;
  readonly inboundPorts: AllOr<string>;
  /** Counts where all inbound ports are captured. */
  readonly excludedInboundPorts: readonly string[];
  /** Captured whatever the address. */
  readonly outboundPorts: readonly string[];
  readonly excludedOutboundPorts: readonly string[];
  readonly outboundRanges: AllOr<Cidr>;
  readonly excludedOutboundRanges: readonly Cidr[];
  readonly excludedInterfaces: readonly string[];
  /** Interfaces of virtual machines: what comes in there is the pod's outbound traffic. */
  readonly virtualInterfaces: readonly string[];
  /** Whose outbound traffic is captured, by group. */
  readonly ownerGroups: AllOr<string>;
  /** Counts where all groups are captured. */
  readonly excludedOwnerGroups: readonly string[];
  /** What of IPv4 the application reaches directly on the loopback interface. */
  readonly loopback: Cidr;
  /** Whose DNS goes to the proxy's resolver: all, these servers', or nobody's. */
  readonly dns: AllOr<string>;
  readonly dropInvalid: boolean;
}

/** The words of a rule that IPv4 and IPv6 have each their own for. */
export interface Family {
  readonly version: IpVersion;
  /** What the application reaches directly on the loopback interface. */
  readonly loopback: string;
  /** The source of what the inbound proxy passes on to the application. */
  readonly passthrough: string;
  readonly ranges: AllOr<string>;
  readonly excludedRanges: readonly string[];
  /** The DNS servers of this family, or all. */
  readonly nameservers: AllOr<string>;
  /** The length of a prefix that is one address. */
  readonly bits: 32 | 128;
}

/** A capture seen by one family of addresses. */
export function familyOf(capture: Capture, version: IpVersion): Family {
  const { outboundRanges, excludedOutboundRanges, dns, loopback } = capture;
  const own = (ranges: readonly Cidr[]): readonly string[] =>
    ranges.filter(r => r.version === version).map(r => r.text);
  const colon = version === 6;
  return {
    version,
    loopback: version === 4 ? loopback.text : '::1/128',
    passthrough: version === 4 ? '127.0.0.6/32' : '::6/128',
    ranges: outboundRanges === '*' ? '*' : own(outboundRanges),
    excludedRanges: own(excludedOutboundRanges),
    nameservers: dns === '*' ? '*' : dns.filter(server => server.includes(':') === colon),
    bits: version === 4 ? 32 : 128,
  };
}

/** Who the proxy is, by user and by group, as a condition of a rule each. */
export const ownersOf = ({ proxyUsers, proxyGroups }: Pick<Capture, 'proxyUsers' | 'proxyGroups'>) => [
  ...proxyUsers.map(id => `--uid-owner ${id}`),
  ...proxyGroups.map(id => `--gid-owner ${id}`),
];

/** Whether DNS is captured at all, of either family. */
export const capturesDns = ({ dns }: Capture): boolean => dns.length > 0;

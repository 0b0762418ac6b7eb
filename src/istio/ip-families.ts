import { BlockList, isIP, isIPv6, SocketAddress } from 'node:net';

/** The families of IP addresses that a proxy has; at least one is true. */
export interface IpFamilies {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

const perFamily = (v4: string, v6: string) => {
  const both = Object.freeze([v4, v6] as const);
  const four = Object.freeze([v4] as const);
  const six = Object.freeze([v6] as const);
  return ({ ipv4, ipv6 }: IpFamilies): readonly [string, ...string[]] => (ipv4 && ipv6 ? both : ipv4 ? four : six);
};

/** Every address of the families, IPv4 first (istio: wildCards). */
export const wildcards = perFamily('0.0.0.0', '::');
/** Loopback of the families, IPv4 first (istio: localHosts). */
export const loopbacks = perFamily('127.0.0.1', '::1');
/** Source addresses by which the pod's redirection knows traffic from proxy to application, and lets it pass (istio: passthroughBindIPs). */
export const inboundSources = perFamily('127.0.0.6', '::6');

/** Whether an address, or a block of addresses, is of one of the families. */
export const isOfFamilies = (address: string, { ipv4, ipv6 }: IpFamilies): boolean =>
  // A colon tells IPv6 from IPv4: what is here was checked when it was read.
  address.includes(':') ? ipv6 : ipv4;

const V4: IpFamilies = { ipv4: true, ipv6: false };
const V6: IpFamilies = { ipv4: false, ipv6: true };

/**
 * Which of a Service's addresses a proxy knows it by: those of one family, the Service's first where the proxy has both. Interception and
 * sockets of a pod are IPv4's alone where it has both, so what went to the other address would pass the proxy by (istio:
 * FilterAddressesByIPFamily, as it is without ISTIO_DUAL_STACK).
 */
export function reachable(addresses: readonly string[], families: IpFamilies): readonly string[] {
  const first = addresses.find(address => isOfFamilies(address, families));
  if (first === undefined) return [];
  const family = isOfFamilies(first, V4) ? V4 : V6;
  return addresses.filter(address => isOfFamilies(address, family));
}

/** Whether an address stands for every address of its family: `0.0.0.0`, `::`. */
export const isUnspecified = (address: string): boolean => address === '0.0.0.0' || address === '::';

/** An IP address in the one form that equal ones share: `FD00:0::1` is `fd00::1`. Anything else stays as it is. */
export const canonicalAddress = (address: string): string =>
  isIPv6(address) && !address.includes('%') ? new SocketAddress({ address, family: 'ipv6' }).address : address;

/** Addresses that mean something on one machine or one link only. */
const localBlocks = new BlockList();
localBlocks.addSubnet('127.0.0.0', 8, 'ipv4');
localBlocks.addSubnet('169.254.0.0', 16, 'ipv4');
localBlocks.addSubnet('224.0.0.0', 4, 'ipv4');
localBlocks.addSubnet('fe80::', 10, 'ipv6');
localBlocks.addSubnet('ff00::', 8, 'ipv6');
localBlocks.addAddress('::1', 'ipv6');

/** Whether others can reach a pod by the address (Go: netip.Addr.IsGlobalUnicast). */
export const isGlobalUnicast = (address: string): boolean =>
  isIP(address) !== 0 && !isUnspecified(address) && !localBlocks.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');

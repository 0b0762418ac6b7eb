import { isIPv4, isIPv6 } from 'node:net';

/** A family of addresses. */
export type IpVersion = 4 | 6;

/** A block of addresses, in the words of Go's netip.Prefix: host bits are kept. */
export interface Cidr {
  readonly version: IpVersion;
  /** `10.0.0.0/8`, `fd00::/64` */
  readonly text: string;
  readonly bits: number;
  readonly isLoopback: boolean;
}

const mapped = '::ffff:';

/** An IPv6 address as it is written shortest; of one that stands for an IPv4 address, that is dotted. */
function shortest(address: string): string {
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high = '', low = ''] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(text) ?? [];
  if (!low) return text;
  const number = Number.parseInt(high, 16) * 65536 + Number.parseInt(low, 16);
  return mapped + [24, 16, 8, 0].map(shift => (number >>> shift) & 255).join('.');
}

/** Reads a block as Istio does: with the length of its prefix, without a zone or leading zeros. */
export function cidrOf(text: string): Cidr | undefined {
  const [, address = '', digits = ''] = /^([\d.]+|[\da-fA-F:.]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const bits = Number(digits);
  if (isIPv4(address) && bits <= 32) return { version: 4, text, bits, isLoopback: address.startsWith('127.') };
  if (!isIPv6(address) || bits > 128) return undefined;
  const short = shortest(address);
  return {
    version: 6,
    text: `${short}/${bits}`,
    bits,
    isLoopback: short === '::1' || short.startsWith(`${mapped}127.`),
  };
}

/** The block as the kernel keeps it: without host bits. */
export function maskedText({ version, text, bits }: Cidr): string {
  const [address = ''] = text.split('/');
  const width = version === 4 ? 32 : 128;
  const size = version === 4 ? 8 : 16;
  const parts = partsOf(version, address).map((part, i) => {
    const kept = Math.min(size, Math.max(0, bits - i * size));
    return part & ~((1 << (size - kept)) - 1) & ((1 << size) - 1);
  });
  const masked = version === 4 ? parts.join('.') : shortest(parts.map(part => part.toString(16)).join(':'));
  return `${masked}/${Math.min(bits, width)}`;
}

/** The numbers of an address: four bytes, or eight pairs of them. */
function partsOf(version: IpVersion, address: string): readonly number[] {
  if (version === 4) return address.split('.').map(Number);
  const hex = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [before = '', after] = hex.split('::');
  const numbers = (text: string): readonly number[] =>
    text ? text.split(':').map(part => Number.parseInt(part, 16)) : [];
  const [head, tail] = [numbers(before), numbers(after ?? '')];
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

import { isIP, isIPv4 } from 'node:net';
import type { CidrRange } from '../proto/generated/envoy/config/core/v3.ts';
import { uint32 } from '../proto/wellknown.ts';

/** An address or CIDR as Envoy has it, its address as written; undefined where it is neither (istio: AddrStrToCidrRange). */
export function cidrRange(text: string): CidrRange | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const bits = isIPv4(address) ? 32 : 128;
  if (isIP(address) === 0 || rest.length > 0) return undefined;
  if (length === undefined) return { address_prefix: address, prefix_len: uint32(bits) };
  return /^\d+$/.test(length) && Number(length) <= bits
    ? { address_prefix: address, prefix_len: uint32(Number(length)) }
    : undefined;
}

const octets = (written: string): readonly number[] => {
  if (isIPv4(written)) return written.split('.').map(Number);
  // `::ffff:10.0.0.1` ends in four octets.
  const address = written.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map(group => group.toString(16)).join(':'),
  );
  const [head = '', tail = ''] = address.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map(g => Number.parseInt(g, 16)));
  const before = groups(head);
  const after = address.includes('::') ? groups(tail) : [];
  const zeros = Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0);
  return [...before, ...zeros, ...after].flatMap(group => [group >> 8, group & 255]);
};

/** The network that a CIDR means, written one way: `1.2.3.4/8` and `1.5.6.7/8` are one. */
export function network(range: CidrRange): string {
  const length = range.prefix_len?.value ?? 0;
  const masked = octets(range.address_prefix ?? '').map((octet, i) => {
    const kept = Math.min(8, Math.max(0, length - i * 8));
    return octet & (0xff << (8 - kept)) & 0xff;
  });
  return `${masked.join('.')}/${length}`;
}

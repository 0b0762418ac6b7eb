import { BlockList, isIP } from 'node:net';

/**
 * What nobody's keys are at: this machine, the link (169.254.0.0/16 is also where clouds tell machines their secrets), addresses that mean no one
 * machine, and the clouds' other places for that.
 */
const NOBODYS = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '100.100.100.200/32', // Alibaba
  '168.63.129.16/32', // Azure
  '192.0.0.192/32', // Oracle
  '::/96', // ::, ::1 and ::127.0.0.1
  'fe80::/10',
  'ff00::/8',
  'fd00:ec2::254/128', // Amazon
  'fd20:ce::254/128', // Google
];

/** Ranges of IPv4 as they are reached through IPv6: NAT64 and 6to4. Those in `::ffff:0:0/96` a BlockList knows by itself. */
function alsoAs6(address: string, length: number): readonly (readonly [string, number])[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  const groups = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  return [
    [`64:ff9b::${groups}`, 96 + length],
    [`2002:${groups}::`, 16 + length],
  ];
}

/** Adds a range such as `10.0.0.0/8`, or one address; whether it is one. */
function add(list: BlockList, text: string): boolean {
  const [address = '', length, ...rest] = text.split('/');
  const family = isIP(address);
  const bits = family === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  if (!family || rest.length || !/^\d+$/.test(length ?? '0') || prefix > bits) return false;
  list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  if (family === 4) for (const [six, longer] of alsoAs6(address, prefix)) list.addSubnet(six, longer, 'ipv6');
  return true;
}

/** Whether a text is an address or a range of addresses. */
export const isRange = (text: string): boolean => add(new BlockList(), text);

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) if (!add(list, range)) throw new Error(`${range} is no range of addresses`);
  return list;
}

/** Which addresses keys may be fetched from. */
export interface AddressRanges {
  /** These may not be asked, whatever else says so (istiod: BLOCKED_CIDRS_IN_JWKS_URIS). */
  readonly blocked: readonly string[];
  /** These may be, although they are this machine's, the link's or a cloud's own. */
  readonly allowed: readonly string[];
}

/** Whether an IP address may be asked for keys. */
export function allowedBy({ blocked, allowed }: AddressRanges): (address: string) => boolean {
  const [never, nobodys, although] = [listOf(blocked), listOf(NOBODYS), listOf(allowed)];
  return address => {
    // Of fe80::1%eth0 the address alone.
    const [bare = ''] = address.split('%');
    const family = isIP(bare) === 6 ? 'ipv6' : 'ipv4';
    if (!isIP(bare) || never.check(bare, family)) return false;
    return although.check(bare, family) || !nobodys.check(bare, family);
  };
}

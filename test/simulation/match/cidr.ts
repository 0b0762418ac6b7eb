import { BlockList, isIP } from 'node:net';
import type { CidrRange } from '../../../src/proto/generated/envoy/config/core/v3.ts';

const family = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** Whether an address is in a range; a range without a length holds everything. */
export function addressInRange(address: string, range: CidrRange): boolean {
  const prefix = range.address_prefix ?? '';
  // An IPv4 address is in no range of IPv6 addresses, not even of those that stand for IPv4's.
  if (!isIP(address) || isIP(address) !== isIP(prefix)) return false;
  const list = new BlockList();
  list.addSubnet(prefix, range.prefix_len?.value ?? 0, family(prefix));
  return list.check(address, family(address));
}

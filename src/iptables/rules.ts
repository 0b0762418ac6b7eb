import { type Capture, familyOf } from './capture.ts';
import type { IpVersion } from './cidr.ts';
import { dnsZones } from './dns.ts';
import { mangleRules } from './mangle.ts';
import { natRules } from './nat.ts';
import type { Rule } from './rule.ts';

/** All rules of a capture for one family of addresses, in the order in which they are added. */
export function rulesOf(capture: Capture, version: IpVersion): readonly Rule[] {
  const family = familyOf(capture, version);
  return [...mangleRules(capture, family), ...natRules(capture, family), ...dnsZones(capture, family)];
}

import type { Capture } from './capture.ts';
import { type Accounts, nobody, optionsOf } from './meaning.ts';
import { isOwn, jumpOf, type Rule, type Table, tablesOf } from './rule.ts';
import { rulesOf } from './rules.ts';

/** A capture that makes every kind of rule that there is in the kernel's chains. */
const everything: Capture = {
  outboundPort: 1,
  inboundPort: 1,
  tunnelPort: 1,
  proxyUsers: ['1'],
  proxyGroups: ['1'],
  interception: 'TPROXY',
  tproxyMark: 1,
  tproxyRouteTable: 1,
  inboundPorts: '*',
  excludedInboundPorts: [],
  outboundPorts: [],
  excludedOutboundPorts: [],
  outboundRanges: '*',
  excludedOutboundRanges: [],
  excludedInterfaces: ['any'],
  virtualInterfaces: ['any'],
  ownerGroups: '*',
  excludedOwnerGroups: [],
  loopback: { version: 4, text: '127.0.0.1/32', bits: 32, isLoopback: true },
  dns: [],
  dropInvalid: true,
};

/** A rule without what flags fill in: addresses, owners, marks, interfaces other than the loopback one. */
const shapeOf = ({ chain, spec }: Pick<Rule, 'chain' | 'spec'>, accounts: Accounts): string =>
  [chain, ...optionsOf(spec, accounts).map(o => o.replace(/(-[sdio]|--[a-z-]+) (?!lo$)\S+$/, '$1'))].join(' ');

/** The rules of ours in the kernel's chains that do not show it by a jump to a chain of ours. */
const shapes: ReadonlyMap<Table, ReadonlySet<string>> = new Map(
  [...tablesOf(rulesOf(everything, 4))].map(([table, rules]) => {
    const unnamed = rules.filter(rule => !isOwn(rule.chain) && jumpOf(rule) === undefined);
    return [table, new Set(unnamed.map(rule => shapeOf(rule, nobody)))];
  }),
);

/** Whether a rule is of our making, whichever flags made it; of a table that has chains of ours. */
export const isOurs = (rule: Pick<Rule, 'table' | 'chain' | 'spec'>, accounts: Accounts): boolean =>
  isOwn(rule.chain) || jumpOf(rule) !== undefined || (shapes.get(rule.table)?.has(shapeOf(rule, accounts)) ?? false);

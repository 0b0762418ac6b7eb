/** The tables of the kernel's packet filter that have rules of ours. */
export const TABLES = ['mangle', 'nat', 'raw'] as const;
export type Table = (typeof TABLES)[number];

/** One rule: what it matches and where it jumps, in iptables' own words. */
export interface Rule {
  readonly table: Table;
  readonly chain: string;
  /** `-p tcp --dport 15008 -j RETURN` */
  readonly spec: string;
  /** Its place in the chain, from 1; behind all others without. */
  readonly at?: number;
}

/** Writes rules of one table: `nat('OUTPUT', '-j ISTIO_OUTPUT')`. */
export const ruleOf =
  (table: Table) =>
  (chain: string, spec: string, at?: number): Rule => ({ table, chain, spec, ...(at === undefined ? {} : { at }) });

/** Whether a chain is one of ours; others are the kernel's. */
export const isOwn = (chain: string): boolean => chain.startsWith('ISTIO_');

/** The chain of ours that a rule jumps to. */
export const jumpOf = ({ spec }: Pick<Rule, 'spec'>): string | undefined => / -j (ISTIO_\w+)$/.exec(` ${spec}`)?.[1];

/** The chains of ours that rules of a table need: first those that have rules, then those that are only jumped to. */
export const chainsOf = (rules: readonly Rule[]): readonly string[] => [
  ...new Set([...rules.map(({ chain }) => chain).filter(isOwn), ...rules.flatMap(rule => jumpOf(rule) ?? [])]),
];

/** The rules of a chain in the order in which the kernel tries them. */
export function inOrder(rules: readonly Rule[]): readonly Rule[] {
  const chain: Rule[] = [];
  for (const rule of rules) chain.splice(rule.at === undefined ? chain.length : rule.at - 1, 0, rule);
  return chain;
}

/** The tables that have rules, by name, as they are restored. */
export function tablesOf(rules: readonly Rule[]): ReadonlyMap<Table, readonly Rule[]> {
  const byTable = Map.groupBy(rules, ({ table }) => table);
  return new Map(TABLES.map(table => [table, byTable.get(table) ?? []] as const).filter(([, own]) => own.length > 0));
}

const lineOf = ({ chain, spec, at }: Rule): string =>
  at === undefined ? `-A ${chain} ${spec}` : `-I ${chain} ${at} ${spec}`;

/** What `iptables-restore` reads for a table; `before` are lines that make room. One table is changed whole or not at all. */
export const tableText = (table: Table, rules: readonly Rule[], before: readonly string[] = []): string =>
  `${[`* ${table}`, ...before, ...chainsOf(rules).map(chain => `-N ${chain}`), ...rules.map(lineOf), 'COMMIT'].join('\n')}\n`;

/** What `iptables-restore --noflush` reads to add rules to a machine that has none of them: Istio's text, to the letter. */
export const restoreText = (rules: readonly Rule[]): string =>
  [...tablesOf(rules)].map(([table, own]) => tableText(table, own)).join('');

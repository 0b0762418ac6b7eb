import { type Accounts, meaningOf } from './meaning.ts';
import { oursIn } from './ours.ts';
import { chainsOf, inOrder, isOwn, jumpOf, type Rule, TABLES, type Table } from './rule.ts';
import type { Chains, State } from './saved.ts';

/** How a table of what is in force stands to the rules that are wanted in it. */
export type Standing =
  | { readonly kind: 'same' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'different'; readonly why: string };

/** Whether anything in a table is of our making. */
const hasOwn = (chains: Chains): boolean =>
  [...chains].some(([chain, specs]) => isOwn(chain) || specs.some(spec => jumpOf({ spec }) !== undefined));

/** Compares a table with the rules that are wanted in it: our own chains to the last rule, of the kernel's chains what is ours. */
export function standingOf(table: Table, wanted: readonly Rule[], state: State, accounts: Accounts): Standing {
  const chains: Chains = state.get(table) ?? new Map();
  if (!hasOwn(chains)) return { kind: 'absent' };
  const different = (why: string): Standing => ({ kind: 'different', why: `${table}: ${why}` });
  const ownChains = chainsOf(wanted);
  const ours = oursIn(table, chains, wanted, accounts);
  for (const chain of ownChains) if (!chains.has(chain)) return different(`there is no chain ${chain}`);
  for (const [chain, specs] of chains) {
    if (isOwn(chain) && !ownChains.includes(chain)) return different(`there should be no chain ${chain}`);
    const expected = inOrder(wanted.filter(rule => rule.chain === chain)).map(({ spec }) => spec);
    const found = specs.filter((_, i) => ours.get(chain)?.has(i) ?? true);
    for (let i = 0; i < Math.max(expected.length, found.length); i++) {
      const [should, does] = [expected[i], found[i]];
      if (should === undefined) return different(`${chain} has '${does}', which should not be there`);
      if (does === undefined) return different(`${chain} lacks '${should}'`);
      if (meaningOf(should, accounts) !== meaningOf(does, accounts))
        return different(`${chain} has '${does}' where '${should}' should be`);
    }
  }
  return { kind: 'same' };
}

/** Lines for `iptables-restore` that take what is ours out of a table: the jumps first, so that chains can go. */
export function removalOf(table: Table, known: readonly Rule[], state: State, accounts: Accounts): readonly string[] {
  const chains: Chains = state.get(table) ?? new Map();
  if (!hasOwn(chains)) return [];
  const own = [...chains.keys()].filter(isOwn);
  return [
    ...[...oursIn(table, chains, known, accounts)].flatMap(([chain, places]) =>
      [...places].map(place => `-D ${chain} ${chains.get(chain)?.[place]}`),
    ),
    ...own.map(chain => `-F ${chain}`),
    ...own.map(chain => `-X ${chain}`),
  ];
}

/** The tables of what is in force that have anything of ours. */
export const tablesWithOwn = (state: State): readonly Table[] =>
  TABLES.filter(table => hasOwn(state.get(table) ?? new Map()));

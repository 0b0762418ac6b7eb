import type { Accounts } from './meaning.ts';
import { type Rule, tablesOf, tableText } from './rule.ts';
import type { State } from './saved.ts';
import { removalOf, type Standing, standingOf, tablesWithOwn } from './standing.ts';

/** What is to be done about rules that are there already and are not the wanted ones. */
export type Leftovers =
  /** Leave them, and say so. */
  | 'refuse'
  /** Put the wanted ones in their place. */
  | 'replace'
  /** Replace also those that are as they should be. */
  | 'renew';

/** What makes the wanted rules of what is in force. */
export type Change =
  | { readonly kind: 'none' }
  /** `text` is for `iptables-restore --noflush`. */
  | { readonly kind: 'restore'; readonly text: string }
  | { readonly kind: 'refused'; readonly why: readonly string[] };

/**
 * The least change. A table is replaced in one step, so no packet meets half of its rules; tables that are wanted change before others are
 * cleared, so none passes by the proxy either. (Istio drops all packets meanwhile.) `known` are ours where they are found.
 */
export function changeOf(
  wanted: readonly Rule[],
  state: State,
  leftovers: Leftovers,
  accounts: Accounts,
  known: readonly Rule[] = wanted,
): Change {
  const byTable = tablesOf(wanted);
  const knownByTable = tablesOf(known);
  const why: string[] = [];
  const texts: string[] = [];
  for (const table of new Set([...byTable.keys(), ...tablesWithOwn(state)])) {
    const rules = byTable.get(table) ?? [];
    const standing: Standing = standingOf(table, rules, state, accounts);
    if (standing.kind === 'same' && leftovers !== 'renew') continue;
    if (standing.kind === 'different') why.push(standing.why);
    texts.push(tableText(table, rules, removalOf(table, knownByTable.get(table) ?? [], state, accounts)));
  }
  if (leftovers === 'refuse' && why.length > 0) return { kind: 'refused', why };
  return texts.length === 0 ? { kind: 'none' } : { kind: 'restore', text: texts.join('') };
}

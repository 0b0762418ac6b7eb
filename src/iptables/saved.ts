/** Rules that are in force, chain by chain: for each what follows `-A CHAIN` in the words of `iptables-save`. */
export type Chains = ReadonlyMap<string, readonly string[]>;

/** What `iptables-save` printed. */
export type State = ReadonlyMap<string, Chains>;

export function stateOf(saved: string): State {
  const state = new Map<string, Map<string, string[]>>();
  let chains = new Map<string, string[]>();
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) {
      chains = new Map();
      state.set(line.slice(1).trim(), chains);
    }
    const [, chain, spec] = /^(?::|-A )(\S+) ?(.*)$/.exec(line) ?? [];
    if (chain === undefined) continue;
    const rules = chains.get(chain) ?? [];
    chains.set(chain, rules);
    if (line.startsWith('-A ')) rules.push(spec ?? '');
  }
  return state;
}

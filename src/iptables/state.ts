import { cidrOf, maskedText } from './cidr.ts';
import { chainsOf, inOrder, isOwn, jumpOf, type Rule, type Table, tablesOf } from './rule.ts';

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

/** The numbers of names, for owners that are named. */
export interface Accounts {
  readonly users: ReadonlyMap<string, string>;
  readonly groups: ReadonlyMap<string, string>;
}

const ALL_BITS = '0xffffffff';

const number = (text: string): string => (/^(0x[0-9a-f]+|\d+)$/i.test(text) ? String(Number(text)) : text);

/** Values that say the same in other words. */
const sameValue: Readonly<Record<string, (value: string, accounts: Accounts) => string>> = {
  '-s': block,
  '-d': block,
  '--uid-owner': (value, { users }) => users.get(value) ?? value,
  '--gid-owner': (value, { groups }) => groups.get(value) ?? value,
  '--ctstate': value => value.split(',').sort().join(','),
  '--mark': mark,
  '--set-xmark': mark,
  '--tproxy-mark': mark,
};

function block(value: string): string {
  const cidr = cidrOf(value.includes('/') ? value : `${value}/${value.includes(':') ? 128 : 32}`);
  return cidr ? maskedText(cidr) : value;
}

function mark(value: string): string {
  const [bits = '', mask = ALL_BITS] = value.split('/');
  return mask.toLowerCase() === ALL_BITS ? number(bits) : `${number(bits)}/${number(mask)}`;
}

const sameName: Readonly<Record<string, string>> = { '--set-mark': '--set-xmark', '--to-port': '--to-ports' };

/** What iptables-save spells out and means nothing. */
const isIdle = (option: string): boolean =>
  /^(-[sd] .*\/0|--on-ip (0\.0\.0\.0|::)|--(nf|ct)mask 0xffffffff)$/.test(option);

/**
 * A rule as iptables-save and its writer mean it, so that both compare: `-p tcp --dport 80 -j RETURN` is saved as `-p tcp -m tcp --dport 80 -j
 * RETURN`, a mark of 1337 as 0x539. Conditions of a rule are all to be met, so their order is none.
 */
export function meaningOf(spec: string, accounts: Accounts): string {
  const options: string[] = [];
  let module = '';
  let not = '';
  const words = spec.split(' ');
  for (let i = 0; i < words.length; ) {
    const word = words[i++] ?? '';
    if (word === '!') {
      not = '! ';
      continue;
    }
    const values: string[] = [];
    while (i < words.length && !/^(!|--?[a-z].*)$/.test(words[i] ?? '')) values.push(words[i++] ?? '');
    const value = values.join(' ');
    if (word === '-m') module = value;
    else {
      // Marks of a packet and of its connection are asked for in the same words.
      const name = word === '--mark' ? `${module} ${word}` : (sameName[word] ?? word);
      const same = sameValue[sameName[word] ?? word];
      const option = value === '' ? name : `${name} ${same ? same(value, accounts) : value}`;
      if (!isIdle(option)) options.push(not + option);
      not = '';
    }
  }
  return options.sort().join(' ');
}

/** How a table of what is in force stands to the rules that are wanted in it. */
export type Standing =
  | { readonly kind: 'same' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'different'; readonly why: string };

const isOwnIn = (chain: string, spec: string): boolean => isOwn(chain) || jumpOf({ spec }) !== undefined;

/** Whether anything in a table is of our making. */
const hasOwn = (chains: Chains): boolean =>
  [...chains].some(([chain, specs]) => isOwn(chain) || specs.some(spec => isOwnIn(chain, spec)));

/** Compares a table with the rules that are wanted in it: our own chains to the last rule, of the kernel's chains the rules that are ours. */
export function standingOf(table: Table, wanted: readonly Rule[], state: State, accounts: Accounts): Standing {
  const chains: Chains = state.get(table) ?? new Map();
  if (!hasOwn(chains)) return { kind: 'absent' };
  const different = (why: string): Standing => ({ kind: 'different', why: `${table}: ${why}` });
  const ownChains = chainsOf(wanted);
  for (const chain of chains.keys())
    if (isOwn(chain) && !ownChains.includes(chain)) return different(`there should be no chain ${chain}`);
  for (const chain of new Set([...ownChains, ...wanted.map(rule => rule.chain)])) {
    const specs = inOrder(wanted.filter(rule => rule.chain === chain)).map(({ spec }) => spec);
    const found = chains.get(chain);
    if (!found) return different(`there is no chain ${chain}`);
    const meanings = found.map(spec => meaningOf(spec, accounts));
    let at = 0;
    for (const spec of specs) {
      const place = meanings.indexOf(meaningOf(spec, accounts), at);
      if (place < 0) return different(`${chain} lacks '${spec}'${at > 0 ? ' in its place' : ''}`);
      if (isOwn(chain) && place > at) return different(`${chain} has '${found[at]}', which should not be there`);
      at = place + 1;
    }
    if (isOwn(chain) && found.length > at) return different(`${chain} has '${found[at]}', which should not be there`);
  }
  return { kind: 'same' };
}

/** Lines for `iptables-restore` that take what is ours out of a table: the jumps first, so that chains can go. */
export function removalOf(table: Table, wanted: readonly Rule[], state: State, accounts: Accounts): readonly string[] {
  const chains: Chains = state.get(table) ?? new Map();
  const ours = new Set(
    wanted.filter(rule => rule.table === table).map(rule => `${rule.chain} ${meaningOf(rule.spec, accounts)}`),
  );
  const own = [...chains.keys()].filter(isOwn);
  return [
    ...[...chains].flatMap(([chain, specs]) =>
      isOwn(chain)
        ? []
        : specs
            .filter(spec => isOwnIn(chain, spec) || ours.has(`${chain} ${meaningOf(spec, accounts)}`))
            .map(spec => `-D ${chain} ${spec}`),
    ),
    ...own.map(chain => `-F ${chain}`),
    ...own.map(chain => `-X ${chain}`),
  ];
}

/** The tables of what is in force that have anything of ours, or have rules that are wanted. */
export const tablesWithOwn = (state: State, wanted: readonly Rule[]): readonly Table[] => {
  const own = (['filter', 'mangle', 'nat', 'raw'] as const).filter(table => hasOwn(state.get(table) ?? new Map()));
  return [...new Set([...tablesOf(wanted).keys(), ...own])];
};

import { cidrOf, maskedText } from './cidr.ts';

/** The numbers of names, for owners that are named. */
export interface Accounts {
  readonly users: ReadonlyMap<string, string>;
  readonly groups: ReadonlyMap<string, string>;
}

/** Where nothing is named. */
export const nobody: Accounts = { users: new Map(), groups: new Map() };

const ALL_BITS = '0xffffffff';

const number = (text: string): string => (/^(0x[0-9a-f]+|\d+)$/i.test(text) ? String(Number(text)) : text);

/** Values that say the same in other words. */
const sameValue: Readonly<Record<string, (value: string, accounts: Accounts) => string>> = {
  '-s': block,
  '-d': block,
  '--uid-owner': (value, { users }) => one(users.get(value) ?? value, '-'),
  '--gid-owner': (value, { groups }) => one(groups.get(value) ?? value, '-'),
  '--dport': value => one(value, ':'),
  '--ctstate': value => value.split(',').sort().join(','),
  '--mark': mark,
  '--set-xmark': mark,
  '--tproxy-mark': mark,
};

function block(value: string): string {
  const cidr = cidrOf(value.includes('/') ? value : `${value}/${value.includes(':') ? 128 : 32}`);
  return cidr ? maskedText(cidr) : value;
}

/** A range of one is that one. */
function one(value: string, separator: string): string {
  const [from = '', to] = value.split(separator);
  return from === to ? from : value;
}

function mark(value: string): string {
  const [bits = '', mask = ALL_BITS] = value.split('/');
  return mask.toLowerCase() === ALL_BITS ? number(bits) : `${number(bits)}/${number(mask)}`;
}

const sameName: Readonly<Record<string, string>> = { '--set-mark': '--set-xmark', '--to-port': '--to-ports' };

/** What iptables-save spells out and means nothing. */
const isIdle = (option: string): boolean =>
  /^(-[sd] .*\/0|--dport 0:65535|--on-ip (0\.0\.0\.0|::)|--(nf|ct)mask 0xffffffff)$/.test(option);

/**
 * The conditions of a rule and what it does, as iptables-save and its writer mean it, so that both compare: `-p tcp --dport 80 -j RETURN` is saved as `-p tcp -m tcp --dport 80 -j
 * RETURN`, a mark of 1337 as 0x539. All conditions are to be met, so they are sorted.
 */
export function optionsOf(spec: string, accounts: Accounts): readonly string[] {
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
  return options.sort();
}

/** The same as one text, to compare. */
export const meaningOf = (spec: string, accounts: Accounts): string => optionsOf(spec, accounts).join(' ');

import { marks } from './mangle.ts';
import { type Accounts, meaningOf, nobody, optionsOf } from './meaning.ts';
import { isOwn, jumpOf, type Rule, type Table } from './rule.ts';
import type { Chains } from './saved.ts';

/** A rule without addresses and owners, which flags fill in. */
const shapeOf = ({ chain, spec }: Pick<Rule, 'chain' | 'spec'>, accounts: Accounts): string =>
  [chain, ...optionsOf(spec, accounts).map(o => o.replace(/(-[sd]|--[ug]id-owner) \S+$/, '$1'))].join(' ');

/** The marks that the mangle table's chains of ours were made with. */
export const marksIn = (chains: Chains): ReadonlySet<number> =>
  new Set(
    ['ISTIO_DIVERT', 'ISTIO_INBOUND']
      .flatMap(chain => chains.get(chain) ?? [])
      .flatMap(spec => optionsOf(spec, nobody))
      .flatMap(option => {
        const mark = /^(?:--set-xmark|mark --mark) (\d+)$/.exec(option)?.[1];
        return mark === undefined ? [] : [Number(mark)];
      }),
  );

/** A proxy as any other for the shape of its rules, and addresses. */
const anybody = { proxyUsers: ['1'], proxyGroups: ['1'] };
const anywhere = { loopback: '127.0.0.1/32', passthrough: '127.0.0.6/32' };

/** What TPROXY makes with these marks in the kernel's chains of the mangle table. */
const shapesWith = (tproxyMarks: Iterable<number>): ReadonlySet<string> =>
  new Set(
    [...tproxyMarks].flatMap(tproxyMark =>
      marks({ tproxyMark, ...anybody }, anywhere).map(rule => shapeOf(rule, nobody)),
    ),
  );

/** A chain of the kernel's, and which of its rules are known for ours. */
interface Known {
  readonly specs: readonly string[];
  readonly at: Set<number>;
}

/** The interface whose packets a rule lets pass by. */
const passedBy = (spec: string | undefined, flag: '-i' | '-o'): string | undefined =>
  spec?.startsWith(flag) ? /^-[io] (\S+) -j RETURN$/.exec(spec)?.[1] : undefined;

/** The first rule of ours behind those for interfaces, which are put before it; undefined where there is none. */
const anchorOf = ({ specs, at }: Known): number | undefined =>
  [...at].sort((a, b) => a - b).find(i => !specs[i]?.startsWith('-i '));

/** Adds what excludes interfaces: it stands right before the rest of ours, in the same order for both directions. */
function addExcluded(coming: Known, going: Known): void {
  let out = (anchorOf(going) ?? 0) - 1;
  const name = passedBy(going.specs[out], '-o');
  const anchor = anchorOf(coming);
  let into = anchor === undefined ? coming.specs.lastIndexOf(`-i ${name} -j RETURN`) : anchor - 1;
  for (; out >= 0; out--, into--) {
    const excluded = passedBy(going.specs[out], '-o');
    if (excluded === undefined || passedBy(coming.specs[into], '-i') !== excluded) return;
    going.at.add(out);
    coming.at.add(into);
  }
}

/** Adds what passes interfaces of virtual machines by: it stands behind what redirects the same interface. */
function addVirtual({ specs, at }: Known): void {
  const redirected = specs.map(spec => /^-i (\S+) (?:-d \S+ )?-j ISTIO_REDIRECT$/.exec(spec)?.[1]);
  const last = redirected.findLastIndex(name => name !== undefined);
  for (let i = last + 1; last >= 0 && redirected.includes(passedBy(specs[i], '-i') ?? ''); i++) at.add(i);
}

/** Adds what is wanted and there, as often as it is wanted. */
function addWanted({ specs, at }: Known, wanted: readonly Rule[], accounts: Accounts): void {
  const meanings = specs.map(spec => meaningOf(spec, accounts));
  const left = wanted.map(({ spec }) => meaningOf(spec, accounts));
  const take = (meaning: string): boolean => {
    const i = left.indexOf(meaning);
    if (i >= 0) left.splice(i, 1);
    return i >= 0;
  };
  for (const i of at) take(meanings[i] ?? '');
  for (const [i, meaning] of meanings.entries()) if (!at.has(i) && take(meaning)) at.add(i);
}

/**
 * Our rules in the kernel's chains of a table, whichever flags made them: for each chain, their places in it. Others have rules there too, and some
 * look like ours. Ours is what jumps to a chain of ours, what has a mark of ours, an interface that is passed by where we put that, and what is wanted.
 */
export function oursIn(
  table: Table,
  chains: Chains,
  wanted: readonly Rule[],
  accounts: Accounts,
): ReadonlyMap<string, ReadonlySet<number>> {
  const shapes = shapesWith(table === 'mangle' ? marksIn(chains) : []);
  const isShown = (chain: string, spec: string): boolean =>
    jumpOf({ spec }) !== undefined || shapes.has(shapeOf({ chain, spec }, accounts));
  const known = new Map<string, Known>();
  for (const [chain, specs] of chains) {
    if (isOwn(chain)) continue;
    known.set(chain, { specs, at: new Set(specs.flatMap((spec, i) => (isShown(chain, spec) ? [i] : []))) });
  }
  const [coming, going] = [known.get('PREROUTING'), known.get('OUTPUT')];
  if (coming) addVirtual(coming);
  if (coming && going) addExcluded(coming, going);
  for (const [chain, own] of known) {
    const here = wanted.filter(rule => rule.chain === chain);
    addWanted(own, here, accounts);
  }
  return new Map([...known].map(([chain, { at }]) => [chain, at]));
}

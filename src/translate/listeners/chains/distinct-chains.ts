/**
 * The filter chains of one listener, no two of which ask for the same connections: Envoy refuses the whole listener otherwise. The first
 * chain keeps what several ask for; what a later one asks for besides stays its own (istio: mergeTCPFilterChains, which drops the later one).
 */

import { isPartialWildcard } from '../../../config/host.ts';
import type { Problem } from '../../../config/problem.ts';
import { memo, oneList } from '../../../memo.ts';
import type { ObjectKey } from '../../../object-key.ts';
import { cidrRange, network } from '../../cidr.ts';
import { type ChainSpec, isEverywhere } from './filter-chain.ts';

/** The object that a chain is made for. */
export interface ChainOwner {
  readonly object: ObjectKey;
  /** The field that says which connections are meant; empty for the object as a whole. */
  readonly path: string;
}

export interface OwnedChain {
  readonly chain: ChainSpec;
  readonly owner: ChainOwner;
}

/** What a chain does not get since an earlier one has it. */
export interface ChainOverlap {
  readonly owner: ChainOwner;
  readonly holder: ChainOwner;
  /** Server names, addresses or protocols; none where it is everything that the chain asks for. */
  readonly lost: readonly string[];
}

const rangeName = (text: string): string => {
  const range = cidrRange(text);
  return range ? network(range) : text;
};

/** The chain with every name and network once, and without names that Envoy cannot match (`*foo.com`); undefined where none is left. */
function sound(chain: ChainSpec): ChainSpec | undefined {
  const names = new Set(chain.sniHosts.filter(name => !isPartialWildcard(name)));
  if (chain.sniHosts.length > 0 && names.size === 0) return undefined;
  const ranges = new Map(chain.cidrs.map(text => [rangeName(text), text]));
  const isSound = names.size === chain.sniHosts.length && ranges.size === chain.cidrs.length;
  return isSound ? chain : { ...chain, sniHosts: [...names], cidrs: [...ranges.values()] };
}

type Dimension = 'sniHosts' | 'cidrs' | 'applicationProtocols';

/** One value for a chain and what is left of it, so that an unchanged listener stays the same. */
const narrowed = memo(
  (chain: ChainSpec, values: readonly string[], dimension: Dimension): ChainSpec =>
    Object.freeze({ ...chain, [dimension]: values }),
);

/** What a chain asks for in one respect, each as written with the form that equal ones share; one empty text where it does not ask. */
type Asked = readonly (readonly [written: string, form: string])[];

const ANYTHING: Asked = [['', '']];

function askedOf(chain: ChainSpec): Readonly<Record<Dimension, Asked>> {
  const names = chain.sniHosts.includes('*') ? [] : chain.sniHosts.map((name): [string, string] => [name, name]);
  const ranges = chain.cidrs.flatMap((text): [string, string][] => {
    const range = cidrRange(text);
    return range && !isEverywhere(range) ? [[text, network(range)]] : [];
  });
  const protocols = chain.applicationProtocols.map((name): [string, string] => [name, name]);
  const orAny = (asked: Asked): Asked => (asked.length > 0 ? asked : ANYTHING);
  return { sniHosts: orAny(names), cidrs: orAny(ranges), applicationProtocols: orAny(protocols) };
}

const dimensions: readonly Dimension[] = ['sniHosts', 'cidrs', 'applicationProtocols'];

/** The keys of connections that a chain asks for by one value of a dimension. Envoy compares every combination. */
function keysOf(chain: ChainSpec, asked: Readonly<Record<Dimension, Asked>>, by: Dimension, form: string): string[] {
  const forms = (dimension: Dimension): readonly string[] =>
    dimension === by ? [form] : asked[dimension].map(([, other]) => other);
  return forms('sniHosts').flatMap(name =>
    forms('cidrs').flatMap(range =>
      forms('applicationProtocols').map(protocol => `${chain.transportProtocol}|${name}|${range}|${protocol}`),
    ),
  );
}

/** The chains with what is left of each, and what was lost to whom. */
export function distinctChains(given: readonly OwnedChain[]): {
  readonly chains: readonly ChainSpec[];
  readonly overlaps: readonly ChainOverlap[];
} {
  const taken = new Map<string, ChainOwner>();
  const chains: ChainSpec[] = [];
  const overlaps: ChainOverlap[] = [];
  for (const { chain: whole, owner } of given) {
    const chain = sound(whole);
    if (!chain) continue;
    const asked = askedOf(chain);
    const by = dimensions.find(dimension => asked[dimension] !== ANYTHING) ?? 'sniHosts';
    const free: string[] = [];
    const lost = new Map<ChainOwner, string[]>();
    for (const [written, form] of asked[by]) {
      const keys = keysOf(chain, asked, by, form);
      const holder = keys.map(key => taken.get(key)).find(other => other !== undefined);
      if (!holder) free.push(written);
      else {
        const names = lost.get(holder) ?? [];
        lost.set(holder, names);
        if (written) names.push(written);
      }
      for (const key of keys) if (!taken.has(key)) taken.set(key, owner);
    }
    if (lost.size === 0) chains.push(chain);
    else if (free.length > 0) chains.push(narrowed(chain, oneList(free), by));
    for (const [holder, values] of lost) overlaps.push({ owner, holder, lost: values });
  }
  return { chains, overlaps };
}

/** So many names stand in a message. */
const MOST_NAMES = 3;

const listed = (names: readonly string[]): string =>
  names.length > MOST_NAMES
    ? `${names.slice(0, MOST_NAMES).join(', ')} and ${names.length - MOST_NAMES} more`
    : names.join(', ');

/** Whether the user means it so: a VirtualService takes connections from its Service, and of its own rules the first one that fits is asked. */
const isMeant = ({ owner, holder }: ChainOverlap): boolean =>
  holder.object.startsWith('VirtualService/') && (owner.path === '' || owner.object === holder.object);

/** What the overlaps of a proxy's listeners mean for the objects, one problem for each pair of them. */
export function overlapProblems(
  found: readonly { readonly listener: string; readonly overlaps: readonly ChainOverlap[] }[],
): readonly Problem[] {
  const pairs = new Map<string, ChainOverlap & { readonly listeners: Set<string>; readonly names: Set<string> }>();
  for (const { listener, overlaps } of found) {
    for (const overlap of overlaps) {
      const { owner, holder } = overlap;
      if (isMeant(overlap)) continue;
      const key = `${owner.object} ${owner.path} ${holder.object}`;
      const pair = pairs.get(key) ?? { ...overlap, listeners: new Set<string>(), names: new Set<string>() };
      pairs.set(key, pair);
      pair.listeners.add(listener);
      for (const name of overlap.lost) pair.names.add(name);
    }
  }
  return [...pairs.values()].map(({ owner, holder, listeners, names }) => ({
    object: owner.object,
    path: owner.path,
    message: `${holder.object} has ${names.size > 0 ? listed([...names]) : 'all connections'} of the listener ${listed([...listeners])} already; they go there`,
    // Two Services of the same pods are no mistake.
    severity: owner.object.startsWith('Service/') ? 'warning' : 'error',
  }));
}

import { isIP } from 'node:net';
import { memo } from '../memo.ts';
import { type Hostname, hostname } from '../proto/hostname.ts';
import { compare } from './object.ts';

/** Whether a host name is a wildcard: `*` or `*.example.com`. */
export const isWildcard = (host: string): boolean => host.startsWith('*');

/** Whether every name that `host` covers is covered by `by` too (istio: host.Name.SubsetOf). */
export function covers(by: string, host: string): boolean {
  if (!isWildcard(by)) return host === by;
  if (isWildcard(host)) return host.length >= by.length && host.slice(1).endsWith(by.slice(1));
  return host.endsWith(by.slice(1));
}

/** Orders host names: wildcards last, then the longer first, then by their letters (istio: host.MoreSpecific). */
export const bySpecificity = (a: string, b: string): number =>
  Number(isWildcard(a)) - Number(isWildcard(b)) || b.length - a.length || compare(a, b);

/** Whether either host name covers the other (istio: host.Name.Matches). */
export const overlaps = (a: string, b: string): boolean => covers(a, b) || covers(b, a);

/** Values by host, exact names apart from wildcards, so that the most specific one is found fast. */
export interface HostTable<T> {
  readonly exact: ReadonlyMap<string, T>;
  readonly wildcard: ReadonlyMap<string, T>;
}

/** How long the wildcards of a table are, the longest first. */
const lengthsOf = memo((wildcard: HostTable<unknown>['wildcard']): readonly number[] =>
  [...new Set([...wildcard.keys()].map(host => host.length))].sort((a, b) => b - a),
);

/** The value for the wildcard of this length that a name ends with. */
function ofLength<T>({ wildcard }: HostTable<T>, name: string, length: number): T | undefined {
  const at = name.length - (length - 1);
  return at < 0 ? undefined : wildcard.get(`*${name.slice(at)}`);
}

/** The values for the wildcards that cover `host`, the most specific first. */
export function wildcardsOver<T>(table: HostTable<T>, host: string): readonly T[] {
  const name = isWildcard(host) ? host.slice(1) : host;
  return lengthsOf(table.wildcard)
    .map(length => ofLength(table, name, length))
    .filter(found => found !== undefined);
}

/** The value for the most specific host that covers `host` (istio: MostSpecificHostMatch). */
export function findHost<T>(table: HostTable<T>, host: string): T | undefined {
  const exact = (isWildcard(host) ? table.wildcard : table.exact).get(host);
  if (exact !== undefined || !table.wildcard.size) return exact;
  const name = isWildcard(host) ? host.slice(1) : host;
  for (const length of lengthsOf(table.wildcard)) {
    const found = ofLength(table, name, length);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A table of these entries. */
export function hostTable<T>(entries: Iterable<readonly [string, T]>): HostTable<T> {
  const [exact, wildcard] = [new Map<string, T>(), new Map<string, T>()];
  for (const [host, value] of entries) (isWildcard(host) ? wildcard : exact).set(host, value);
  return { exact, wildcard };
}

const backwards = (text: string): string => [...text].reverse().join('');

/** Hosts, to find whether a name has to do with any of them. */
export class HostSet {
  readonly #table: HostTable<true>;
  /** Read backwards, without `*`, and sorted: those that a wildcard covers stand together. */
  readonly #backwards: readonly string[];

  constructor(hosts: readonly string[]) {
    this.#table = hostTable(hosts.map(host => [host, true]));
    this.#backwards = hosts.map(host => backwards(host.replace(/^\*/, ''))).sort(compare);
  }

  /** Whether one of them covers the host. */
  covers(host: string): boolean {
    return findHost(this.#table, host) !== undefined;
  }

  /** Whether one of them covers the host or is covered by it. */
  overlaps(host: string): boolean {
    return this.covers(host) || (isWildcard(host) && this.#hasWithin(backwards(host.slice(1))));
  }

  #hasWithin(suffix: string): boolean {
    let [low, high] = [0, this.#backwards.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.#backwards[middle] ?? '', suffix) < 0) low = middle + 1;
      else high = middle;
    }
    return this.#backwards[low]?.startsWith(suffix) ?? false;
  }
}

/** The suffixes of a host that a wildcard can have: `a.b.com` is within `*.b.com`, `*.com` and `*`. */
function suffixesOf(host: string): readonly string[] {
  const suffixes: string[] = [];
  for (let at = host.indexOf('.'); at >= 0; at = host.indexOf('.', at + 1)) suffixes.push(host.slice(at));
  return [...suffixes, ''];
}

/** Hosts of one list, to find those that have a name in common (istio: host.Name.Matches). */
export class Overlaps {
  readonly #hosts = new Set<string>();
  /** By their suffixes: the first host that is within each. */
  readonly #within = new Map<string, string>();

  /** Adds a host, and gives an earlier one that has a name in common with it: the host itself, where it is there already. */
  add(host: string): string | undefined {
    if (this.#hosts.has(host)) return host;
    const suffixes = suffixesOf(host);
    const wider = suffixes.map(suffix => `*${suffix}`).find(wild => this.#hosts.has(wild));
    const found = wider ?? (host.startsWith('*') ? this.#within.get(host.slice(1)) : undefined);
    this.#hosts.add(host);
    for (const suffix of suffixes) if (!this.#within.has(suffix)) this.#within.set(suffix, host);
    return found;
  }
}

/**
 * The fully qualified form of a host as users write it in a VirtualService or DestinationRule: a name without a dot is a Service of the
 * object's own namespace (istio: ResolveShortnameToFQDN).
 */
export function resolveShortname(host: Hostname, namespace: string, domain: string): Hostname {
  if (host === '' || host === '*' || host.includes('.') || isIP(host)) return host;
  return hostname(`${host}${namespace && `.${namespace}`}.svc.${domain}`);
}

/** The host name of a Kubernetes Service. */
export const serviceHostname = (name: string, namespace: string, domain: string): Hostname =>
  hostname(`${name}.${namespace}.svc.${domain}`);

/** `namespace/name` of a Gateway as a VirtualService names it; `mesh` stays (istio: resolveGatewayName). */
export function resolveGatewayName(name: string, namespace: string): string {
  if (name === 'mesh') return name;
  if (name.includes('/')) return name.startsWith('./') ? `${namespace}${name.slice(1)}` : name;
  const [first = '', second] = name.split('.');
  return second === undefined ? `${namespace}/${name}` : `${second}/${first}`;
}

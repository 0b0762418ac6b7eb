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

/** The value for the most specific host that covers `host` (istio: MostSpecificHostMatch). */
export function findHost<T>(table: HostTable<T>, host: string): T | undefined {
  const exact = (isWildcard(host) ? table.wildcard : table.exact).get(host);
  if (exact !== undefined) return exact;
  if (!table.wildcard.size) return undefined;
  const needle = isWildcard(host) ? host.slice(1) : host;
  let found: T | undefined;
  let length = -1;
  for (const [wildcard, value] of table.wildcard) {
    if (wildcard.length > length && needle.endsWith(wildcard.slice(1))) {
      found = value;
      length = wildcard.length;
    }
  }
  return found;
}

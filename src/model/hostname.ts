/** Whether a host stands for many: `*`, `*.example.com`. */
export const isWildcard = (host: string): boolean => host.startsWith('*');

/**
 * Whether two hosts overlap so that the first is covered by, or covers, the second; either may be a wildcard (istio: host.Name.Matches).
 */
export function hostMatches(a: string, b: string): boolean {
  if (isWildcard(a)) {
    if (!isWildcard(b)) return b.endsWith(a.slice(1));
    return a.length < b.length ? b.slice(1).endsWith(a.slice(1)) : a.slice(1).endsWith(b.slice(1));
  }
  return isWildcard(b) ? a.endsWith(b.slice(1)) : a === b;
}

/** Whether every host that `b` stands for is one that `a` stands for (istio: host.Name.SubsetOf, reversed). */
export function covers(a: string, b: string): boolean {
  if (!isWildcard(a)) return a === b;
  return isWildcard(b) ? a.length <= b.length && b.slice(1).endsWith(a.slice(1)) : b.endsWith(a.slice(1));
}

/** The longest of `wildcards` that covers `host`; undefined where none does. */
export function mostSpecific(host: string, wildcards: readonly string[]): string | undefined {
  let best: string | undefined;
  for (const wildcard of wildcards)
    if (covers(wildcard, host) && (best === undefined || wildcard.length > best.length)) best = wildcard;
  return best;
}

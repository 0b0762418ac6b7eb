/** The mesh's trust domain first, then its aliases: names for one and the same root of trust. */
export type TrustDomains = readonly string[];

/** Means the mesh's own trust domain in policies, whatever that is. */
const LOCAL = 'cluster.local';

/** Whether a text fits a pattern: exactly, `prefix*`, `*suffix`. */
const fits = (text: string, pattern: string): boolean =>
  text === pattern ||
  (pattern.endsWith('*') && text.startsWith(pattern.slice(0, -1))) ||
  (pattern.startsWith('*') && text.endsWith(pattern.slice(1)));

const isOwn = (pattern: string, domains: TrustDomains): boolean =>
  fits(LOCAL, pattern) || domains.some(domain => fits(domain, pattern));

/** What a pattern of principals says of the trust domain, and what comes behind it; undefined where it says nothing. */
function split(principal: string): { readonly domain: string; readonly rest: string } | undefined {
  const slash = principal.indexOf('/');
  if (slash < 0) return /^[^*].*\*$/.test(principal) ? { domain: principal, rest: '/*' } : undefined;
  const domain = principal.slice(0, slash);
  const rest = principal.slice(slash);
  // What a suffix begins with is a trust domain only where a whole identity follows.
  if (domain === '*' || (domain.startsWith('*') && !rest.startsWith('/ns/'))) return undefined;
  return { domain, rest };
}

/**
 * A pattern of principals under every name of its trust domain; `cluster.local` always means the mesh's own. Istio does this to principals in
 * full only (ReplaceTrustDomainAliases): a DENY of `cluster.local/ns/shop/*` would be for nobody.
 */
function aliasesOf(principal: string, domains: TrustDomains): readonly string[] {
  const parts = split(principal);
  if (!parts || !isOwn(parts.domain, domains)) return [principal];
  const { domain, rest } = parts;
  const wild = domain.startsWith('*') || domain === principal;
  const all = domains.map(d => (wild && fits(d, domain) ? principal : d + rest));
  return [...new Set(wild ? [...all, principal] : all)];
}

/** Principals with those of the trust domain's aliases. */
export const withAliases = (principals: readonly string[], domains: TrustDomains): readonly string[] =>
  principals.flatMap(p => aliasesOf(p, domains));

/** Trust domains, or patterns of them, with their aliases. */
export const expandDomains = (values: readonly string[], domains: TrustDomains): readonly string[] => [
  ...new Set(
    values.flatMap(value => {
      if (value === '*' || !isOwn(value, domains)) return [value];
      return value.includes('*') ? [value, ...domains.filter(domain => !fits(domain, value))] : domains;
    }),
  ),
];

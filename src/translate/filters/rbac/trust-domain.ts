/** The mesh's trust domain first, then its aliases: names for one and the same root of trust. */
export type TrustDomains = readonly string[];

const prefixMatch = (text: string, pattern: string): boolean =>
  pattern.endsWith('*') && text.startsWith(pattern.slice(0, -1));

const suffixMatch = (text: string, pattern: string): boolean =>
  pattern.startsWith('*') && text.endsWith(pattern.slice(1));

const known = (domain: string, domains: TrustDomains): boolean =>
  domains.some(
    d =>
      d === domain ||
      d === '*' ||
      prefixMatch(domain, d) ||
      prefixMatch(d, domain) ||
      suffixMatch(domain, d) ||
      suffixMatch(d, domain),
  );

/** A principal under every name of its trust domain. `cluster.local` always means the mesh's own (istio: ReplaceTrustDomainAliases). */
function aliasesOf(principal: string, domains: TrustDomains): readonly string[] {
  const [domain = '', ...rest] = principal.split('/');
  if (rest.length !== 4 || domain === '*') return [principal];
  if (!known(domain, domains) && domain !== 'cluster.local') return [principal];
  return [...new Set(domains.map(d => (suffixMatch(d, domain) ? principal : [d, ...rest].join('/'))))];
}

/** Principals with those of the trust domain's aliases. */
export const withAliases = (principals: readonly string[], domains: TrustDomains): readonly string[] =>
  principals.flatMap(p => aliasesOf(p, domains));

/** Trust domains with their aliases. */
export const expandDomains = (values: readonly string[], domains: TrustDomains): readonly string[] => [
  ...new Set(values.flatMap(v => (domains.includes(v) ? domains : [v]))),
];

import type { VirtualService } from '../../istio/config.ts';
import { resolveGatewayName, resolveShortname } from '../../istio/hosts.ts';
import { compare } from '../../istio/object.ts';
import { mapReferences, referencesOf } from '../../istio/virtual-service.ts';
import { memo, type Name, nameOf } from '../../memo.ts';
import type { Hostname } from '../../proto/hostname.ts';

/** The spec with every host and gateway written out in full (istio: ResolveVirtualServiceShortnames). */
export function qualifyVirtualService(object: VirtualService, domain: string): VirtualService {
  const { namespace } = object.meta;
  const host = (name: Hostname): Hostname => resolveShortname(name, namespace, domain);
  const hosts = object.spec.hosts?.map(host);
  const spec = mapReferences(object.spec, {
    gateway: name => resolveGatewayName(name, namespace),
    destination: to => (to.host ? { ...to, host: host(to.host) } : to),
  });
  return Object.freeze({ ...object, spec: Object.freeze({ ...spec, ...(hosts && { hosts }) }) });
}

/** A host that a VirtualService sends to, and on which ports; 0 among them means every port. */
export interface RouteTarget {
  readonly host: Hostname;
  readonly ports: ReadonlySet<number>;
}

/**
 * Where the routes of a (qualified) VirtualService lead, for proxies of a namespace: HTTP routes whose matches all ask for other source
 * namespaces do not count (istio: virtualServiceDestinationsFilteredBySourceNamespace).
 */
export const routeTargets = (object: VirtualService, namespace: Name): readonly RouteTarget[] =>
  targetsFor(object, asksForNamespace(object) ? namespace : ANY);

const asksForNamespace = memo(({ spec }: VirtualService): boolean =>
  (spec.http ?? []).some(route => route.match?.some(match => match.sourceNamespace)),
);

/** For namespaces that no match asks for. */
const ANY = nameOf('');

const targetsFor = memo((object: VirtualService, { name: namespace }: Name): readonly RouteTarget[] => {
  const ports = new Map<Hostname, Set<number>>();
  for (const { host, to, http } of referencesOf(object).destinations) {
    const asked = (http?.match ?? []).map(match => match.sourceNamespace).filter(Boolean);
    if (asked.length && !asked.includes(namespace)) continue;
    const known = ports.get(host) ?? new Set();
    ports.set(host, known.add(to.port?.number ?? 0));
  }
  return [...ports].map(([host, of]) => ({ host, ports: of })).sort((a, b) => compare(a.host, b.host));
});

import type { MeshSettings } from '../../istio/settings.ts';
import { memo } from '../../memo.ts';

import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';

import type { Service, ServicePort } from '../../model/services/service.ts';
import type { ObjectKey } from '../../object-key.ts';
import type { Route, VirtualHost } from '../../proto/generated/envoy/config/route/v3.ts';
import { outboundClusterName } from '../names.ts';
import { serviceDomains } from './domains.ts';
import { consistentHashOf, hashPolicy } from './hash-policy.ts';
import { defaultRoute } from './http-route.ts';
import { type Naming, namingFor } from './naming.ts';
import { lookedAt, virtualHost } from './route-resource.ts';

/** Routes with what they came from. Kept by identity while their VirtualService, Services and rules are. */
export interface Routes {
  readonly routes: readonly Route[];
  readonly sources: readonly ObjectKey[];
}

/** A virtual host that asks for domains; some may turn out to be taken. */
export interface Candidate {
  readonly virtualHost: VirtualHost;
  /** Domains that are short forms: they give way to a host of that very name. */
  readonly alternates: ReadonlySet<string>;
  /** The Service's own names, which no short form of another may take. */
  readonly owned: readonly string[];
  readonly sources: readonly ObjectKey[];
}

/** Whether the proxy counts its attempts in `x-envoy-attempt-count` (ProxyConfig's proxyHeaders may turn it off). */
export const countsAttempts = (mesh: MeshSettings): boolean =>
  !mesh.config.defaultConfig?.proxyHeaders?.attemptCount?.disabled?.value;

/** `host:port`, an IPv6 address in brackets. */
export const hostAndPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

const hostOf = (name: string, domains: readonly string[], routes: readonly Route[], mesh: MeshSettings): VirtualHost =>
  virtualHost({ name, domains, routes, ...(countsAttempts(mesh) && { include_request_attempt_count: true }) });

/** The default route to a Service's port: to its cluster, by the hash that its DestinationRule asks for. */
export const serviceRoutes = memo(
  (mesh: MeshSettings, rule: EffectiveDestinationRule | undefined, service: Service, port: ServicePort): Routes => {
    const hash = hashPolicy(consistentHashOf(rule, '', port.port));
    const cluster = outboundClusterName(service.hostname, port.port);
    return {
      routes: lookedAt([
        defaultRoute(cluster, `${hostAndPort(service.hostname, port.port)}/*`, { mesh }, hash && [hash]),
      ]),
      sources: hash && rule ? [service.source, ...rule.sources] : [service.source],
    };
  },
);

const hostCalled = memo(
  (mesh: MeshSettings, naming: Naming, port: number, ports: boolean, service: Service, routes: Routes): Candidate => {
    const { domains, alternates } = serviceDomains(service, naming, ports ? port : undefined);
    return {
      virtualHost: hostOf(hostAndPort(service.hostname, port), domains, routes.routes, mesh),
      alternates,
      owned: [hostAndPort(service.hostname, port), service.hostname],
      sources: routes.sources.includes(service.source) ? routes.sources : [service.source, ...routes.sources],
    };
  },
);

/** The virtual host of a Service on a port, under every name that the proxy may call it by. `ports`: names get their `:port` forms too. */
export const serviceHost = (
  mesh: MeshSettings,
  naming: Naming,
  port: number,
  ports: boolean,
  service: Service,
  routes: Routes,
): Candidate => hostCalled(mesh, namingFor(naming, service), port, ports, service, routes);

/** The virtual host of a VirtualService's host that is no Service. `ports`: its name gets a `:port` form too. */
export const plainHost = memo(
  (routes: Routes, mesh: MeshSettings, host: string, port: number, ports: boolean): Candidate => {
    const withPort = hostAndPort(host, port);
    const domains = [host.includes(':') ? `[${host}]` : host, ...(ports ? [withPort] : [])];
    return {
      virtualHost: hostOf(withPort, domains, routes.routes, mesh),
      alternates: new Set(),
      owned: [],
      sources: routes.sources,
    };
  },
);

const withDomains = memo(
  (candidate: Candidate, domains: string): Candidate => ({
    ...candidate,
    virtualHost: virtualHost({ ...candidate.virtualHost, domains: domains.split('\n') }),
  }),
);

/**
 * Gives each domain to the first that asks for it, and a short form to nobody where a host has that very name: Envoy refuses a route
 * configuration in which a domain stands twice. Names must be unique too; the later of two gives way (istio: dedupeDomains).
 */
export function withoutDuplicates(candidates: readonly Candidate[]): readonly Candidate[] {
  const names = new Set<string>();
  const taken = new Set<string>();
  const known = new Set(candidates.flatMap(candidate => candidate.owned));
  return candidates.flatMap(candidate => {
    const { name = '', domains = [] } = candidate.virtualHost;
    if (names.has(name)) return [];
    names.add(name);
    const kept = domains.filter(domain => {
      if (taken.has(domain) || (candidate.alternates.has(domain) && known.has(domain))) return false;
      taken.add(domain);
      return true;
    });
    if (!kept.length) return [];
    return kept.length === domains.length ? [candidate] : [withDomains(candidate, kept.join('\n'))];
  });
}

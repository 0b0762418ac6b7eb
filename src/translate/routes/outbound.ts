import { objectSources, type VirtualService } from '../../istio/config.ts';
import { findHost, hostTable, isWildcard, overlaps } from '../../istio/hosts.ts';
import { compare } from '../../istio/object.ts';
import { isHttp, isUnsupported } from '../../istio/protocol.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { httpDestinationHosts } from '../../istio/virtual-service.ts';
import { eachOf, memo } from '../../memo.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import { joined } from '../../model/scope/imports.ts';
import type { EgressListener, Scope } from '../../model/scope/scope.ts';
import { concrete } from '../../model/services/aliases.ts';
import { type Hostname, portOf, type Service, type ServicePort } from '../../model/services/service.ts';
import type { VirtualHost } from '../../proto/generated/envoy/config/route/v3.ts';
import type { RouteResource } from '../resource.ts';
import { catchAll } from './catch-all.ts';
import { type Destinations, destinationsOf, ruleSources } from './destination.ts';
import { httpRoutes } from './http-route.ts';
import { type Naming, namingAmong, namingOf } from './naming.ts';
import { lookedAt, routeResource, virtualHost } from './route-resource.ts';
import {
  type Candidate,
  plainHost,
  type Routes,
  serviceHost,
  serviceRoutes,
  withoutDuplicates,
} from './virtual-host.ts';

/** A route configuration that an outbound listener names, and what it is made for. */
export interface NamedRoutes {
  readonly name: string;
  /** 0 for listeners that stand for every port: Unix sockets and HTTP proxies. */
  readonly port: number;
  readonly egress: EgressListener;
  /** Set where the listener is one sniffed Service's alone. */
  readonly alone: Service | undefined;
}

type Rules = ReadonlyMap<Hostname, EffectiveDestinationRule>;

/** The ports of a Service that are routed on a listener's port: that one, or all where the listener stands for every port. */
const routedPorts = ({ ports }: Service, port: number): readonly ServicePort[] =>
  ports.filter(p => (port === 0 || p.port === port) && (isHttp(p.protocol) || isUnsupported(p.protocol)));

/** Where the routes of a VirtualService are to apply, and where its destinations are looked up. */
export interface RoutePlace {
  readonly mesh: MeshSettings;
  readonly port: number;
  readonly tls: boolean;
  /** `mesh`, or `namespace/name` of the gateway. */
  readonly gateway: string;
  readonly services: ReadonlyMap<Hostname, Service>;
  readonly rules: Rules;
}

const routesOf = memo(
  (
    virtualService: VirtualService,
    mesh: MeshSettings,
    gateway: string,
    port: number,
    tls: boolean,
    destinations: Destinations,
  ): Routes => ({
    routes: lookedAt(httpRoutes(virtualService, { mesh, port, tls, gateway, destinations })),
    sources: [...objectSources(virtualService), ...ruleSources(httpDestinationHosts(virtualService), destinations)],
  }),
);

/** The routes of a VirtualService, made anew only when it, or the Service or rule of one of its destinations, changes. */
export function virtualServiceRoutes(virtualService: VirtualService, place: RoutePlace): Routes {
  const called = place.gateway === 'mesh' ? place.port : 0;
  const destinations = destinationsOf(httpDestinationHosts(virtualService), host => {
    const service = concrete(place.services, host, called);
    // A Service that lacks the listener's port is as unknown as to istiod: its only port is not meant there. What an alias stands for is found.
    const isAlias = service?.aliasOf || service?.hostname !== host;
    const isFound = called === 0 || isAlias || (service && portOf(service, called));
    return { service: isFound ? service : undefined, rule: place.rules.get(service?.hostname ?? host) };
  });
  return routesOf(virtualService, place.mesh, place.gateway, place.port, place.tls, destinations);
}

/** What a listener's routes on one port are made of. */
interface PortInput {
  readonly services: readonly Service[];
  readonly virtualServices: readonly VirtualService[];
  /** Where destinations are looked up: also on other ports. */
  readonly destinations: ReadonlyMap<Hostname, Service>;
  readonly rules: Rules;
  readonly mesh: MeshSettings;
  readonly naming: Naming;
  readonly port: number;
}

/** The VirtualService that speaks for each Service by its most specific host: an exact one, else the longest wildcard; the oldest of equals. */
const speakers = memo(
  (services: readonly Service[], virtualServices: readonly VirtualService[]): ReadonlyMap<Hostname, VirtualService> => {
    const byHost = new Map<string, VirtualService>();
    for (const virtualService of virtualServices)
      for (const host of virtualService.spec.hosts ?? []) if (!byHost.has(host)) byHost.set(host, virtualService);
    const table = hostTable(byHost);
    const result = new Map<Hostname, VirtualService>();
    for (const { hostname } of services) {
      const speaker = findHost(table, hostname);
      if (speaker) result.set(hostname, speaker);
    }
    return result;
  },
);

/** Splits a VirtualService's hosts into Services of the port and hosts that are none. */
function hostsOf(
  virtualService: VirtualService,
  { services, virtualServices }: PortInput,
  onPort: ReadonlyMap<string, Service>,
): { readonly plain: readonly string[]; readonly services: readonly Service[] } {
  const plain: string[] = [];
  const found = new Set<Service>();
  const hosts = virtualService.spec.hosts ?? [];
  for (const host of hosts.filter(h => !isWildcard(h))) {
    const service = onPort.get(host);
    if (service) found.add(service);
    else plain.push(host);
  }
  for (const host of hosts.filter(isWildcard)) {
    const matched = [...onPort.values()].filter(service => overlaps(service.hostname, host));
    if (!matched.length) plain.push(host);
    for (const service of matched)
      if (speakers(services, virtualServices).get(service.hostname) === virtualService) found.add(service);
  }
  return { plain, services: [...found] };
}

/** Whether a VirtualService has to do with one of the Services at all. */
const concerns = (
  virtualService: VirtualService,
  onPort: ReadonlyMap<string, Service>,
  wildcards: readonly Service[],
): boolean =>
  (virtualService.spec.hosts ?? []).some(host => {
    if (onPort.has(host)) return true;
    if (isWildcard(host)) return [...onPort.values()].some(service => overlaps(host, service.hostname));
    return wildcards.some(service => overlaps(host, service.hostname));
  });

/** On a listener for every port, names without a port mean port 80 (istio: mergeAllVirtualHosts). */
function onEveryPort(candidate: Candidate): readonly Candidate[] {
  const { name = '', domains = [] } = candidate.virtualHost;
  if (name.endsWith(':80')) return [candidate];
  const kept = domains.filter(domain => domain.includes(':'));
  return kept.length ? [{ ...candidate, virtualHost: virtualHost({ ...candidate.virtualHost, domains: kept }) }] : [];
}

interface ServicesOnPort {
  readonly byHost: ReadonlyMap<string, Service>;
  readonly sorted: readonly Service[];
  readonly wildcards: readonly Service[];
}

/** The Services that have a port, by host; all of them for 0. */
const servicesOnPort = memo((services: readonly Service[], port: number): ServicesOnPort => {
  const having = port === 0 ? services : services.filter(service => portOf(service, port));
  const byHost = new Map<string, Service>();
  for (const [hostname, [first, ...others]] of Map.groupBy(having, service => service.hostname))
    if (first) byHost.set(hostname, joined(first, others));
  const sorted = [...byHost.values()].sort((a, b) => compare(a.hostname, b.hostname));
  return { byHost, sorted, wildcards: sorted.filter(service => isWildcard(service.hostname)) };
});

/** The virtual hosts of each Service on a port that no VirtualService speaks for. */
const defaultHosts = memo((mesh: MeshSettings, rules: Rules, naming: Naming, port: number) =>
  eachOf((service: Service): readonly Candidate[] => {
    if (service.resolution === 'Alias') return [];
    return routedPorts(service, port).map(servicePort => {
      const routes = serviceRoutes(mesh, rules.get(service.hostname), service, servicePort);
      return serviceHost(mesh, naming, servicePort.port, port === 0, service, routes);
    });
  }),
);

/** The virtual hosts of a port, by name (istio: BuildSidecarOutboundVirtualHosts). */
function candidates(input: PortInput): readonly Candidate[] {
  const { mesh, naming, port, rules } = input;
  const { byHost: onPort, sorted, wildcards } = servicesOnPort(input.services, port);
  const spokenFor = new Set<Service>();
  const out: Candidate[] = [];
  const place: RoutePlace = {
    mesh,
    port,
    tls: false,
    gateway: 'mesh',
    services: input.destinations,
    rules,
  };
  for (const virtualService of input.virtualServices) {
    // Hosts outside the registry are routed on port 80 only: there they get a virtual host of their own.
    if (port !== 80 && !concerns(virtualService, onPort, wildcards)) continue;
    // On a listener for every port the port that is called is not known before the virtual host is.
    const own = port === 0 ? undefined : virtualServiceRoutes(virtualService, place);
    if (own?.routes.length === 0) continue;
    const routesAt = (at: number): Routes => own ?? virtualServiceRoutes(virtualService, { ...place, port: at });
    const hosts = hostsOf(virtualService, input, onPort);
    const targets = hosts.services.flatMap(service => routedPorts(service, port).map(p => ({ service, port: p.port })));
    if (!targets.length && port !== 80) continue;
    if (targets.length || !hosts.services.length) {
      const plainPorts = targets.length ? new Set(targets.map(t => t.port)) : [80];
      for (const at of plainPorts) {
        const routes = routesAt(at);
        if (!routes.routes.length) continue;
        for (const host of hosts.plain) out.push(plainHost(routes, mesh, host, at, port === 0));
      }
    }
    for (const target of targets) {
      const routes = routesAt(target.port);
      if (!routes.routes.length) continue;
      spokenFor.add(target.service);
      out.push(serviceHost(mesh, naming, target.port, port === 0, target.service, routes));
    }
  }
  for (const [i, hosts] of defaultHosts(mesh, rules, naming, port)(sorted).entries()) {
    const service = sorted[i];
    if (service && !spokenFor.has(service)) for (const host of hosts) out.push(host);
  }
  const unique = withoutDuplicates(out);
  const shown = port === 0 ? unique.flatMap(onEveryPort) : unique;
  return [...shown].sort((a, b) => compare(a.virtualHost.name ?? '', b.virtualHost.name ?? ''));
}

const byPort = memo(
  (
    services: readonly Service[],
    virtualServices: readonly VirtualService[],
    destinations: ReadonlyMap<Hostname, Service>,
    rules: Rules,
    mesh: MeshSettings,
    naming: Naming,
    port: number,
  ): readonly Candidate[] => candidates({ services, virtualServices, destinations, rules, mesh, naming, port }),
);

const sourcesOf = (hosts: readonly Candidate[]): RouteResource['sources'] => [
  ...new Set(hosts.flatMap(host => host.sources)),
];

/** Where the port is the listener's own, what a Host header says of it does not matter. */
const portRoutes = (
  name: string,
  hosts: readonly Candidate[],
  last: readonly VirtualHost[],
  port: number,
): RouteResource =>
  routeResource(name, [...hosts.map(host => host.virtualHost), ...last], port !== 0, sourcesOf(hosts));

const shared = memo(
  (hosts: readonly Candidate[], last: VirtualHost, name: string, port: number): RouteResource =>
    portRoutes(name, hosts, [last], port),
);

const everyDomain = memo(
  (candidate: Candidate): Candidate => ({
    ...candidate,
    virtualHost: virtualHost({ ...candidate.virtualHost, domains: ['*'] }),
  }),
);

/** The routes of a sniffed port, whose listener is the Service's alone: its virtual host, for every domain (istio: getVirtualHostsForSniffedServicePort). */
const sniffed = memo((hosts: readonly Candidate[], service: Service, port: number): RouteResource => {
  const name = `${service.hostname}:${port}`;
  const own = hosts.filter(
    ({ virtualHost: { domains = [] } }) => domains.includes(name) || domains.includes(service.hostname),
  );
  return portRoutes(name, own.length === 1 ? own.map(everyDomain) : own, [], port);
});

/**
 * The route configurations that a scope's outbound listeners name: one a port for HTTP (`9080`), one a Service for ports whose protocol is
 * sniffed (`host:port`), one a Unix socket or HTTP proxy for all ports.
 */
export const outboundRoutes = memo(
  (scope: Scope, traits: Traits, named: readonly NamedRoutes[]): readonly RouteResource[] => {
    const last = catchAll(scope.outboundPolicy, scope.mesh);
    const naming = namingOf(traits);
    return named.map(({ name, port, egress: opener, alone }) => {
      // A port that a Sidecar names is routed by what the Sidecar says of it, even where a later listener opened it.
      const egress = scope.egress.find(e => port > 0 && (!e.port || e.port.number === port)) ?? opener;
      const { serviceByHost, destinationRules } = scope;
      const hosts = byPort(
        egress.services,
        egress.virtualServices,
        serviceByHost,
        destinationRules,
        scope.mesh,
        namingAmong(naming, egress.services),
        port,
      );
      return alone ? sniffed(hosts, alone, port) : shared(hosts, last, name, port);
    });
  },
);

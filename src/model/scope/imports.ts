import type { VirtualService } from '../../istio/config.ts';
import { parseProtocol } from '../../istio/protocol.ts';
import { visibleTo } from '../../istio/visibility.ts';
import { memo, type Name, one, oneList, oneMap } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import type { IstioEgressListener } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { routeTargets } from '../routing/virtual-service.ts';
import type { Hostname, Service } from '../services/service.ts';
import type { ServiceIndex } from '../services/service-index.ts';
import { type EgressHosts, egressHosts, isExcluded } from './egress-hosts.ts';

/** A Service with those of its ports that are wanted; the Service itself where none is missing, undefined where none is left. */
function withPorts(service: Service, isWanted: (port: number) => boolean): Service | undefined {
  const ports = service.ports.filter(({ port }) => isWanted(port));
  if (ports.length === service.ports.length) return service;
  return ports.length ? one({ ...service, ports: oneList(ports) }) : undefined;
}

/** A Service with those of its aliases that are imported too. */
function withAliases(service: Service, isImported: (alias: Service['aliases'][number]) => boolean): Service {
  const aliases = service.aliases.filter(isImported);
  return aliases.length === service.aliases.length ? service : one({ ...service, aliases: oneList(aliases) });
}

/** A Service that is imported by nothing but names of ExternalName Services for it, with those names; undefined where there are none. */
function byAlias(service: Service, hosts: EgressHosts): Service | undefined {
  const found = withAliases(
    service,
    ({ hostname, namespace }) =>
      !isExcluded(hosts, namespace, hostname) && [namespace, '*'].some(from => importsFrom(hosts, from, hostname)),
  );
  return found.aliases.length ? found : undefined;
}

/** The one port that an egress listener serves; undefined where it serves every port (none given, or a generic HTTP proxy). */
export function listenerPort({ port }: IstioEgressListener): number | undefined {
  return port?.number && parseProtocol(port.protocol ?? '') !== 'HTTP_PROXY' ? port.number : undefined;
}

/**
 * Of hosts that several namespaces have, the one to use: the importing namespace's, else a Kubernetes Service's, else the first (istio:
 * selectServices). Other Services are left out.
 */
export const unambiguous = (services: readonly Service[], namespace: Name): readonly Service[] =>
  isDoubtful(services) ? chosenFor(services, namespace) : services;

/** Whether two namespaces have one host. */
const isDoubtful = memo((services: readonly Service[]): boolean => {
  const namespaces = new Map<Hostname, string>();
  for (const { hostname, namespace } of services) {
    if ((namespaces.get(hostname) ?? namespace) !== namespace) return true;
    namespaces.set(hostname, namespace);
  }
  return false;
});

const chosenFor = memo((services: readonly Service[], { name: namespace }: Name): readonly Service[] => {
  const chosen = new Map<Hostname, Service>();
  for (const service of services) {
    const known = chosen.get(service.hostname);
    const better =
      !known ||
      service.namespace === namespace ||
      (known.registry !== 'Kubernetes' && service.registry === 'Kubernetes' && known.namespace !== namespace);
    if (better) chosen.set(service.hostname, service);
  }
  return oneList(services.filter(s => chosen.get(s.hostname)?.namespace === s.namespace));
});

const importsFrom = (hosts: EgressHosts, namespace: string, host: Hostname): boolean =>
  hosts.get(namespace)?.imported.covers(host) ?? false;

/** The Services that an egress listener of a Sidecar imports, of those that the namespace sees. What an alias stands for comes with it. */
export const importedServices = memo(
  (services: readonly Service[], listener: IstioEgressListener, namespace: Name): readonly Service[] => {
    const hosts = egressHosts(listener, namespace);
    const port = listenerPort(listener);
    const imported: Service[] = [];
    const named = new Set<Hostname>();
    const byOtherName = new Set<Service>();
    for (const service of services) {
      if (isExcluded(hosts, service.namespace, service.hostname)) continue;
      const from = [service.namespace, '*'].find(name => importsFrom(hosts, name, service.hostname));
      const found = from !== undefined ? service : service.aliases.length ? byAlias(service, hosts) : undefined;
      const trimmed = found && (port === undefined ? found : withPorts(found, own => own === port));
      if (!trimmed) continue;
      if (from === undefined) byOtherName.add(trimmed);
      else named.add(service.hostname);
      imported.push(
        from === undefined ? trimmed : withAliases(trimmed, ({ hostname }) => importsFrom(hosts, from, hostname)),
      );
    }
    // Of a host that several namespaces have those count that are imported themselves.
    const chosen = imported.filter(service => !(byOtherName.has(service) && named.has(service.hostname)));
    return unambiguous(oneList(chosen), namespace);
  },
);

/** The first of some Services of a host with the further ports of the others. */
export function joined(first: Service, others: readonly Service[]): Service {
  const numbers = new Set(first.ports.map(port => port.port));
  const more = others.flatMap(({ ports }) => {
    const fresh = ports.filter(port => !numbers.has(port.port));
    for (const { port } of fresh) numbers.add(port);
    return fresh;
  });
  return more.length ? one({ ...first, ports: oneList([...first.ports, ...more]) }) : first;
}

/** Services in which every port of a host is there once, with the index by host. */
export interface HostList {
  /** A host may have several, each with ports of its own: ServiceEntries that share it, and a Kubernetes Service. */
  readonly services: readonly Service[];
  /** By host; one with the ports of all where it has several. */
  readonly byHost: ReadonlyMap<Hostname, Service>;
  /** Whose each port is, of the hosts that several have: the source by `host:port`. */
  readonly owners: ReadonlyMap<string, ObjectKey>;
}

const NO_OWNERS: HostList['owners'] = new Map();

/** The Kubernetes Service of a host goes before ServiceEntries, which cannot take a port from it; else the first in the list. */
const byPrecedence = (a: Service, b: Service): number =>
  Number(a.registry !== 'Kubernetes') - Number(b.registry !== 'Kubernetes');

/** Splits the ports of a host among those who have it: each to the first. */
function share(rivals: readonly Service[], owners: Map<string, ObjectKey>): readonly Service[] {
  return [...rivals].sort(byPrecedence).flatMap(service => {
    const part = withPorts(service, port => !owners.has(`${service.hostname}:${port}`));
    for (const { port } of part?.ports ?? []) owners.set(`${service.hostname}:${port}`, service.source);
    return part ?? [];
  });
}

/**
 * Lists as one. Of several Services of a host each port goes to the first that has it, resolved as that one says. istiod keeps one Service a host
 * (appendSidecarServices), and with it listeners of the others, which lead to no cluster.
 */
function union(lists: readonly (readonly Service[])[]): HostList {
  const rivals = new Map<Hostname, Map<ObjectKey, Service>>();
  for (const service of lists.flat()) {
    const known = rivals.get(service.hostname);
    if (!known) {
      rivals.set(service.hostname, new Map([[service.source, service]]));
      continue;
    }
    // Egress listeners may have imported the same Service with other ports.
    const same = known.get(service.source);
    known.set(service.source, same ? joined(same, [service]) : service);
  }
  const services: Service[] = [];
  const byHost = new Map<Hostname, Service>();
  let owners: Map<string, ObjectKey> | undefined;
  for (const [hostname, bySource] of rivals) {
    const group = [...bySource.values()];
    owners ??= group.length > 1 ? new Map() : undefined;
    const parts = group.length > 1 && owners ? share(group, owners) : group;
    services.push(...parts);
    const [first, ...others] = parts;
    if (first) byHost.set(hostname, joined(first, others));
  }
  return { services: oneList(services), byHost: oneMap(byHost), owners: owners ?? NO_OWNERS };
}

/** The union of lists; the same lists give the same result. */
export const unionOf: (...lists: readonly (readonly Service[])[]) => HostList = memo((...lists) => union(lists));

/** Of a list of Services those ports that are theirs where the host has several: the others have no cluster of their own. */
export const ownPorts: (services: readonly Service[], hosts: HostList) => readonly Service[] = memo(
  (services, { owners }) => {
    if (!owners.size) return services;
    return oneList(
      services.flatMap(service => {
        const isOwn = (port: number): boolean =>
          (owners.get(`${service.hostname}:${port}`) ?? service.source) === service.source;
        return service.ports.length ? (withPorts(service, isOwn) ?? []) : service;
      }),
    );
  },
);

/** The Services that a host stands for where nothing was imported: the namespace's own, else those of the best other that it sees. */
function bestOf(services: readonly Service[], namespace: string): readonly Service[] {
  const own = services.filter(service => service.namespace === namespace);
  if (own.length) return own;
  const seen = services.filter(service => visibleTo(service.visibility, namespace));
  const best = seen.find(service => service.registry === 'Kubernetes') ?? seen[0];
  return seen.filter(service => service.namespace === best?.namespace);
}

/**
 * Services that routes lead to though no egress listener imports them: they are reached all the same, on the ports that the routes name
 * (istio: collectImportedServices). With an alias comes what it stands for.
 */
export function routedServices(
  known: HostList,
  objects: readonly VirtualService[],
  port: number | undefined,
  index: ServiceIndex,
  namespace: Name,
): readonly Service[] {
  const found: Service[] = [];
  const add = (services: readonly Service[], ports: ReadonlySet<number>): void => {
    for (const service of services) {
      if (known.byHost.get(service.hostname) === service) continue;
      const all = service.aliasOf || (port === undefined && ports.has(0));
      const trimmed = all ? service : withPorts(service, own => (port === undefined ? ports.has(own) : own === port));
      if (trimmed) found.push(trimmed);
    }
  };
  const seen = (host: Hostname): readonly Service[] => bestOf(index.byHost.get(host) ?? [], namespace.name);
  for (const object of objects) {
    for (const { host, ports } of routeTargets(object, namespace)) {
      const named = seen(host);
      add(named, ports);
      for (const { aliasOf } of named) if (aliasOf) add(seen(aliasOf), ports);
    }
  }
  return oneList(found);
}

import { isDeepStrictEqual } from 'node:util';
import { memo, memoSaid } from '../memo.ts';
import type { IstioEgressListener } from '../proto/generated/istio/networking/v1alpha3.ts';
import type { VirtualService } from './config.ts';
import { type EgressHosts, egressHosts, importsHost, isExcluded } from './egress-hosts.ts';
import { parseProtocol } from './protocol.ts';
import type { Hostname, Service } from './service.ts';
import type { ServiceIndex } from './service-index.ts';
import { routeTargets } from './virtual-service.ts';
import { visibleTo } from './visibility.ts';

/** A Service with fewer ports; the Service itself where none is missing, undefined where none is left. */
const withPorts = memo((service: Service, numbers: string): Service | undefined => {
  const wanted = new Set(numbers.split(',').map(Number));
  const ports = service.ports.filter(port => wanted.has(port.port));
  if (ports.length === service.ports.length) return service;
  return ports.length ? Object.freeze({ ...service, ports: Object.freeze(ports) }) : undefined;
});

/** A Service with only the aliases that are imported too. */
const withAliases = memo((service: Service, hosts: EgressHosts, from: string): Service => {
  const known = hosts.get(from);
  const aliases = service.aliases.filter(alias => known && importsHost(known, alias.hostname));
  return aliases.length === service.aliases.length ? service : Object.freeze({ ...service, aliases });
});

/** The one port that an egress listener serves; undefined where it serves every port (none given, or a generic HTTP proxy). */
export function listenerPort({ port }: IstioEgressListener): number | undefined {
  return port?.number && parseProtocol(port.protocol ?? '') !== 'HTTP_PROXY' ? port.number : undefined;
}

/**
 * Of hosts that several namespaces have, the one to use: the importing namespace's, else a Kubernetes Service's, else the first (istio:
 * selectServices). Other Services are left out.
 */
export const unambiguous = (services: readonly Service[], namespace: string): readonly Service[] =>
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

const chosenFor: (services: readonly Service[], namespace: string) => readonly Service[] = memoSaid(
  (services, namespace) => {
    const chosen = new Map<Hostname, Service>();
    for (const service of services) {
      const known = chosen.get(service.hostname);
      const better =
        !known ||
        service.namespace === namespace ||
        (known.registry !== 'Kubernetes' && service.registry === 'Kubernetes' && known.namespace !== namespace);
      if (better) chosen.set(service.hostname, service);
    }
    return services.filter(s => chosen.get(s.hostname)?.namespace === s.namespace);
  },
);

/** The Services that an egress listener of a Sidecar imports, of those that the namespace sees. */
export const importedServices: (
  services: readonly Service[],
  listener: IstioEgressListener,
  namespace: string,
) => readonly Service[] = memoSaid((services, listener, namespace) => {
  const hosts = egressHosts(listener, namespace);
  const port = listenerPort(listener);
  const imported: Service[] = [];
  for (const service of services) {
    if (isExcluded(hosts, service.namespace, service.hostname)) continue;
    for (const from of [service.namespace, '*']) {
      const known = hosts.get(from);
      if (!known || !importsHost(known, service.hostname)) continue;
      const trimmed = port === undefined ? service : withPorts(service, String(port));
      if (!trimmed) continue;
      imported.push(trimmed.aliases.length ? withAliases(trimmed, hosts, from) : trimmed);
      break;
    }
  }
  return unambiguous(imported, namespace);
});

const portList = (service: Service): string => service.ports.map(port => `${port.port}/${port.name}`).join();

const mergeable = (a: Service, b: Service): boolean =>
  a.namespace === b.namespace &&
  a.resolution === b.resolution &&
  a.registry === b.registry &&
  isDeepStrictEqual([a.labels, a.selector, a.visibility], [b.labels, b.selector, b.visibility]);

const joined = memo((a: Service, b: Service): Service => {
  const numbers = new Set(a.ports.map(port => port.port));
  const ports = [...a.ports, ...b.ports.filter(port => !numbers.has(port.port))];
  return Object.freeze({ ...a, ports: Object.freeze(ports) });
});

/** Services, each host once, with the index by host. */
export interface HostList {
  readonly services: readonly Service[];
  readonly byHost: ReadonlyMap<Hostname, Service>;
}

/**
 * Lists as one, each host once: the first stays, a Kubernetes Service goes before a ServiceEntry's host, ports of equal Services are put
 * together (istio: appendSidecarServices).
 */
function union(lists: readonly (readonly Service[])[]): HostList {
  const byHost = new Map<Hostname, Service>();
  for (const service of lists.flat()) {
    const known = byHost.get(service.hostname);
    if (!known) byHost.set(service.hostname, service);
    else if (known === service || (known.registry === 'Kubernetes' && service.registry !== 'Kubernetes')) continue;
    else if (known.registry !== 'Kubernetes' && service.registry === 'Kubernetes')
      byHost.set(service.hostname, service);
    else if (portList(known) !== portList(service) && mergeable(known, service)) {
      byHost.set(service.hostname, joined(known, service));
    }
  }
  const services = [...byHost.values()];
  const [only] = lists;
  const same = lists.length === 1 && only?.length === services.length && only.every((s, i) => s === services[i]);
  return { services: same && only ? only : services, byHost };
}

/** The union of lists; the same lists give the same result. */
export const unionOf: (...lists: readonly (readonly Service[])[]) => HostList = memo((...lists) => union(lists));

/** The Service that a host stands for where nothing was imported: the namespace's own, else the best that it sees. */
function bestOf(services: readonly Service[], namespace: string): Service | undefined {
  const own = services.filter(service => service.namespace === namespace);
  const seen = own.length ? own : services.filter(service => visibleTo(service.visibility, namespace));
  return seen.find(service => service.registry === 'Kubernetes') ?? seen[0];
}

/**
 * Services that routes lead to though no egress listener imports them: they are reached all the same, on the ports that the routes name
 * (istio: collectImportedServices).
 */
export function routedServices(
  known: HostList,
  objects: readonly VirtualService[],
  port: number | undefined,
  index: ServiceIndex,
  namespace: string,
): readonly Service[] {
  const found: Service[] = [];
  for (const object of objects) {
    for (const { host, ports } of routeTargets(object, namespace)) {
      const candidates = index.byHost.get(host as Hostname);
      const service = candidates && bestOf(candidates, namespace);
      if (!service || known.byHost.get(service.hostname) === service) continue;
      const wanted = port !== undefined ? String(port) : ports.has(0) ? '' : [...ports].sort((a, b) => a - b).join();
      const trimmed = wanted ? withPorts(service, wanted) : service;
      if (trimmed) found.push(trimmed);
    }
  }
  return found;
}

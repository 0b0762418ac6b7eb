import type { Problem } from '../../config/problem.ts';
import { compare } from '../../istio/object.ts';
import { addTo } from '../../lists.ts';
import { memo } from '../../memo.ts';
import { type Hostname, portOf, type Service } from './service.ts';

type Alias = Service['aliases'][number];

const pointing = memo((service: Service, target: Hostname): Service => Object.freeze({ ...service, aliasOf: target }));

const sameAliases = (a: readonly Alias[], b: readonly Alias[]): boolean =>
  a.length === b.length &&
  a.every((alias, i) => alias.hostname === b[i]?.hostname && alias.namespace === b[i]?.namespace);

const named = memo((service: Service, aliases: readonly Alias[]): Service => Object.freeze({ ...service, aliases }));

/** The Service that an alias points to; with one port alone where that is meant: the one that is called, else the alias's only one. */
const throughAlias = memo((alias: Service, called: number, target: Service): Service => {
  const [only, ...others] = alias.ports;
  const port = portOf(target, called) ?? (only && !others.length ? portOf(target, only.port) : undefined);
  return port && target.ports.length > 1 ? Object.freeze({ ...target, ports: Object.freeze([port]) }) : target;
});

/** The Service that a host stands for: of an alias the one that it points to, where that is known. `called`: on that port, 0 on any. */
export function concrete(byHost: ReadonlyMap<Hostname, Service>, host: Hostname, called = 0): Service | undefined {
  const service = byHost.get(host);
  const target = service?.aliasOf && byHost.get(service.aliasOf);
  return service && target ? throughAlias(service, called, target) : service;
}

const idOf = (service: Service): string => `${service.source}/${service.hostname}`;

/**
 * Tells every Service which ExternalName Services are other names of it, also over several hops (istio: resolveServiceAliases). A loop
 * resolves to nothing and is a problem.
 */
export function resolveAliases(
  services: readonly Service[],
  previous: readonly Service[] | undefined,
): { readonly services: readonly Service[]; readonly problems: readonly Problem[] } {
  const targets = new Map<string, Hostname>();
  for (const { hostname, aliasOf } of services) if (aliasOf) targets.set(hostname, aliasOf);
  if (!targets.size) return { services, problems: [] };

  const problems: Problem[] = [];
  const ends = new Map<Service, Hostname>();
  const aliases = new Map<string, Alias[]>();
  for (const service of services) {
    const { hostname, namespace, aliasOf } = service;
    if (!aliasOf) continue;
    const seen = new Set<string>([hostname]);
    let target = aliasOf;
    for (let next = targets.get(target); next && !seen.has(target); next = targets.get(target)) {
      seen.add(target);
      target = next;
    }
    if (targets.has(target)) {
      const message = `the names point at each other: ${[...seen].join(' -> ')}`;
      problems.push({ object: service.source, path: 'spec.externalName', message, severity: 'error' });
      continue;
    }
    ends.set(service, target);
    addTo(aliases, target, { hostname, namespace });
  }
  const before = new Map(previous?.filter(s => s.aliases.length).map(s => [idOf(s), s.aliases]));
  const resolved = services.map(service => {
    const target = ends.get(service);
    if (target) return target === service.aliasOf ? service : pointing(service, target);
    const list = aliases.get(service.hostname);
    if (!list) return service;
    list.sort((a, b) => compare(a.namespace, b.namespace) || compare(a.hostname, b.hostname));
    const known = before.get(idOf(service));
    return named(service, known && sameAliases(known, list) ? known : Object.freeze([...list]));
  });
  return { services: resolved, problems };
}

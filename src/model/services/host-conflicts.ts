import type { Problem } from '../../config/problem.ts';
import type { ConfigContents } from '../../config/store.ts';
import { writtenPath } from '../../istio/config.ts';
import { memo } from '../../memo.ts';
import type { Resolution, Service, ServicePort } from './service.ts';

/** How a ServiceEntry says it. */
const resolutionNames: Readonly<Record<Resolution, string>> = {
  ClientSideLB: 'STATIC',
  DNSLB: 'DNS',
  DNSRoundRobinLB: 'DNS_ROUND_ROBIN',
  DynamicDNS: 'DYNAMIC_DNS',
  Passthrough: 'NONE',
  Alias: 'an ExternalName',
};

interface Claim {
  readonly by: Service;
  readonly port: ServicePort;
}

/** In what two claims to a port differ; undefined where their endpoints go together. */
function difference({ by, port }: Claim, service: Service, own: ServicePort): string | undefined {
  if (port.protocol !== own.protocol) return `with protocol ${port.protocol}, not ${own.protocol}`;
  if (by.resolution === service.resolution) return undefined;
  // The endpoints that a ServiceEntry lists join those of a Kubernetes Service.
  if (by.registry === 'Kubernetes' && service.resolution === 'ClientSideLB' && by.resolution !== 'Alias')
    return undefined;
  const how = by.registry === 'Kubernetes' ? 'a Kubernetes Service' : `resolution ${resolutionNames[by.resolution]}`;
  return `as ${how}, not with resolution ${resolutionNames[service.resolution]}`;
}

/** A Kubernetes Service goes first, then what the namespace alone sees, then the older: the order in which ports of a host are given out. */
const byPrecedence = (a: Service, b: Service): number =>
  Number(a.registry !== 'Kubernetes') - Number(b.registry !== 'Kubernetes') ||
  Number(a.visibility.kind === 'public') - Number(b.visibility.kind === 'public');

const portPath = (entries: ConfigContents['ServiceEntry'], service: Service, index: number): string => {
  const path = `spec.ports[${index}]`;
  const entry = entries.get(service.source);
  return entry ? writtenPath(entry, path) : path;
};

/** What everyone sees of a host in two namespaces: clients of others have the first alone, where the second says something else. */
function elsewhere(entries: ConfigContents['ServiceEntry'], services: readonly Service[]): readonly Problem[] {
  const [first, ...others] = services.filter(s => s.visibility.kind === 'public').sort(byPrecedence);
  if (!first) return [];
  const ofFirst = services.filter(s => s.namespace === first.namespace && s.visibility.kind === 'public');
  return others.flatMap((service): readonly Problem[] => {
    if (service.namespace === first.namespace) return [];
    const index = service.ports.findIndex(own => {
      const claims = ofFirst.flatMap(by => by.ports.filter(p => p.port === own.port).map(port => ({ by, port })));
      return !claims.some(claim => !difference(claim, service, own));
    });
    if (index < 0) return [];
    const message = `namespaces other than ${service.namespace} see ${service.hostname} as ${first.source} has it: without this port, or with another protocol or resolution`;
    return [{ object: service.source, path: portPath(entries, service, index), message, severity: 'warning' }];
  });
}

/** Ports of one host that ServiceEntries of one namespace claim and another has, in another way. */
const conflictsOf = memo(
  (entries: ConfigContents['ServiceEntry'], ...services: readonly Service[]): readonly Problem[] => {
    const problems: Problem[] = [];
    const claims = new Map<string, Claim>();
    for (const service of [...services].sort(byPrecedence)) {
      for (const [i, port] of service.ports.entries()) {
        const key = `${service.namespace}:${port.port}`;
        const claim = claims.get(key);
        if (!claim) claims.set(key, { by: service, port });
        const differs = claim && difference(claim, service, port);
        if (!differs) continue;
        problems.push({
          object: service.source,
          path: portPath(entries, service, i),
          message: `${claim.by.source} has port ${port.port} of ${service.hostname} already, ${differs}; that one is used`,
          severity: 'error',
        });
      }
    }
    return [...problems, ...elsewhere(entries, services)];
  },
);

/** Hosts whose ports several objects of one namespace give in different ways. Services stand in the order in which they were created. */
export function hostConflicts(
  byHost: ReadonlyMap<string, readonly Service[]>,
  entries: ConfigContents['ServiceEntry'],
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const services of byHost.values()) if (services.length > 1) problems.push(...conflictsOf(entries, ...services));
  return problems;
}

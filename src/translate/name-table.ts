import { isIP } from 'node:net';
import { memo, one } from '../memo.ts';
import { type EndpointIndex, endpointsKey, type ServiceEndpoints, serves } from '../model/endpoints/endpoint.ts';
import type { Traits } from '../model/proxy/traits.ts';
import type { Scope } from '../model/scope/scope.ts';
import type { Service } from '../model/services/service.ts';
import type { ObjectKey } from '../object-key.ts';
import type { NameTable, NameTable_NameInfo } from '../proto/generated/istio/networking/nds/v1.ts';
import type { Resource } from './resource.ts';
import { addressesFor } from './routes/domains.ts';
import type { Naming } from './routes/naming.ts';

export type NameTableResource = Resource<NameTable>;

type Entry = readonly [host: string, info: NameTable_NameInfo];

const isHeadless = ({ addresses, resolution }: Service): boolean =>
  addresses.length === 0 && resolution === 'Passthrough';

/** A Service's own entry; the agent resolves the short forms of Kubernetes names by itself. */
const entry = (service: Service, ips: readonly string[]): Entry => [
  service.hostname,
  service.registry === 'Kubernetes'
    ? { ips, registry: 'Kubernetes', shortname: service.name, namespace: service.namespace }
    : { ips, registry: 'External' },
];

/** Pods of a headless Service that have a name below it: `mysql-0.mysql.default.svc.cluster.local`. */
function podEntries(service: Service, endpoints: ServiceEndpoints['endpoints']): readonly Entry[] {
  const domain = service.hostname.slice(service.hostname.indexOf('.') + 1);
  const ips = new Map<string, string[]>();
  for (const { subdomain, hostname, address } of endpoints) {
    if (!subdomain) continue;
    const shortname = `${hostname}.${subdomain}`;
    ips.set(shortname, [...(ips.get(shortname) ?? []), address]);
  }
  return [...ips].map(
    ([shortname, list]): Entry => [
      `${shortname}.${domain}`,
      { ips: list, registry: 'Kubernetes', shortname, namespace: service.namespace },
    ],
  );
}

/** What DNS answers for one Service: its virtual IPs, or the addresses of its endpoints where it is headless. */
const entriesOf = memo(
  (service: Service, naming: Naming, endpoints: ServiceEndpoints | undefined): readonly Entry[] => {
    if (!isHeadless(service)) {
      const ips = addressesFor(service, naming).filter(address => isIP(address) !== 0);
      return ips.length ? [entry(service, ips)] : [];
    }
    const [first] = service.ports;
    const answering = (endpoints?.endpoints ?? []).filter(
      e => first && serves(e, first) && isIP(e.address) !== 0 && (service.publishNotReady || e.health === 'healthy'),
    );
    const pods = podEntries(service, answering);
    return answering.length
      ? [
          ...pods,
          entry(
            service,
            answering.map(e => e.address),
          ),
        ]
      : pods;
  },
);

/** Of two entries for a host, Kubernetes' counts; ServiceEntries' addresses are joined. */
function join(known: NameTable_NameInfo | undefined, info: NameTable_NameInfo): NameTable_NameInfo {
  if (!known || (known.registry !== 'Kubernetes' && info.registry === 'Kubernetes')) return info;
  return known.registry === 'Kubernetes' ? known : { ...known, ips: [...(known.ips ?? []), ...(info.ips ?? [])] };
}

const tableOf = memo(
  (
    services: readonly Service[],
    naming: Naming,
    ...headless: readonly (ServiceEndpoints | undefined)[]
  ): NameTableResource => {
    const table: Record<string, NameTable_NameInfo> = {};
    const sources: ObjectKey[] = [];
    let next = 0;
    for (const service of services) {
      for (const [host, info] of entriesOf(service, naming, isHeadless(service) ? headless[next++] : undefined))
        table[host] = join(table[host], info);
      sources.push(service.source);
    }
    return { name: 'nameTable', message: { table }, sources, faults: [] };
  },
);

const NO_SERVICES: readonly Service[] = [];

/** Made of the lists of Services alone: listeners change with every route. */
const importedServices = memo((...lists: readonly (readonly Service[])[]): readonly Service[] => [
  ...new Set(lists.flat()),
]);

/** What of its traits a proxy's table depends on: names in it are in full. */
const namingIn = memo(({ ipv4, ipv6, dnsCapture }: Traits): Naming => one({ ipv4, ipv6, dnsDomain: '', dnsCapture }));

const servicesIn = (scope: Scope): readonly Service[] => importedServices(...scope.egress.map(e => e.services));

/** The Services whose endpoints are in the table. */
export const namedByEndpoints = (scope: Scope): readonly Service[] => servicesIn(scope).filter(isHeadless);

/** The names that an agent's DNS proxy answers, with their addresses; gateways resolve nothing by it (istio: dns/server.BuildNameTable). */
export function nameTable(scope: Scope, traits: Traits, endpoints: EndpointIndex): NameTableResource {
  const services = traits.type === 'router' ? NO_SERVICES : servicesIn(scope);
  const headless = services.filter(isHeadless).map(s => endpoints.get(endpointsKey(s)));
  return tableOf(services, namingIn(traits), ...headless);
}

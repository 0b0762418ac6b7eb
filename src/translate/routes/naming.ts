import type { IpFamilies } from '../../istio/ip-families.ts';
import { memo, one } from '../../memo.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import type { Service } from '../../model/services/service.ts';

/** What of a proxy decides by which names and addresses it calls Services. Interned, so that proxies that call them alike share their routes. */
export interface Naming extends IpFamilies {
  /** The domain of the proxy's Node id: `default.svc.cluster.local`. */
  readonly dnsDomain: string;
  readonly dnsCapture: boolean;
}

/** The part of the traits that names depend on. */
export const namingOf = memo(
  ({ ipv4, ipv6, dnsDomain, dnsCapture }: Traits): Naming => one({ ipv4, ipv6, dnsDomain, dnsCapture }),
);

const SVC = '.svc.';

/** The namespace in a domain or in the name of a Kubernetes Service; empty where there is none. */
const namespaceIn = (name: string, from: number): string => name.slice(from, Math.max(from, name.indexOf(SVC)));

const namespacesOf = memo((service: Service): readonly string[] =>
  [service.hostname, ...service.aliases.map(alias => alias.hostname)].map(name =>
    namespaceIn(name, name.indexOf('.') + 1),
  ),
);
const namespacesAmong = memo(
  (services: readonly Service[]): ReadonlySet<string> => new Set(services.flatMap(namespacesOf)),
);

/** That of proxies in a namespace that has none of the Services: wherever they are, they call them by the same names. */
const elsewhere = memo((naming: Naming): Naming => {
  const at = naming.dnsDomain.indexOf(SVC);
  return at > 0 ? one({ ...naming, dnsDomain: naming.dnsDomain.slice(at) }) : naming;
});

/** What of a proxy's naming a Service's names depend on. */
export const namingFor = (naming: Naming, service: Service): Naming =>
  namespacesOf(service).includes(namespaceIn(naming.dnsDomain, 0)) ? naming : elsewhere(naming);

/** What of it the names of all of a list depend on. */
export const namingAmong = (naming: Naming, services: readonly Service[]): Naming =>
  namespacesAmong(services).has(namespaceIn(naming.dnsDomain, 0)) ? naming : elsewhere(naming);

import { isIPv6 } from 'node:net';
import { isUnspecified, reachable } from '../../istio/ip-families.ts';
import type { Service } from '../../model/services/service.ts';
import type { Naming } from './naming.ts';

/** What decides which names a proxy may call a Service by. */
export interface DomainContext {
  /** The domain of the proxy's Node id: `default.svc.cluster.local`. */
  readonly dnsDomain: string;
  /** Names get `:port` forms as well, where ports are not ignored (listeners that stand for every port). */
  readonly port: number | undefined;
}

const bracketed = (address: string): string => (isIPv6(address) ? `[${address}]` : address);

const withPort = (domain: string, port: number | undefined): string[] =>
  port === undefined ? [bracketed(domain)] : [bracketed(domain), `${bracketed(domain)}:${port}`];

/** `default.svc.cluster.local` -> `.svc.cluster.local` */
const withoutNamespace = (domain: string): string => {
  const at = domain.indexOf('.svc.');
  return at > 0 ? domain.slice(at) : domain;
};

function kubernetesForms(hostname: string, { dnsDomain, port }: DomainContext): string[] {
  const end = hostname.indexOf('.svc.');
  const dot = hostname.indexOf('.');
  if (end <= 0 || dot + 1 > end) return [];
  const name = hostname.slice(0, dot);
  const namespaced = hostname.slice(0, end);
  const namespace = dnsDomain.split('.svc.')[0];
  return hostname.slice(dot + 1, end) === namespace
    ? [...withPort(name, port), ...withPort(`${namespaced}.svc`, port), ...withPort(namespaced, port)]
    : [...withPort(namespaced, port), ...withPort(`${namespaced}.svc`, port)];
}

/** Forms of a host outside Kubernetes' naming that share the end of the proxy's own domain. */
function sharedForms(hostname: string, { dnsDomain, port }: DomainContext): string[] {
  const host = hostname.split('.').reverse();
  const domain = dnsDomain.split('.').reverse();
  let shared = 0;
  while (shared < host.length && shared < domain.length && host[shared] === domain[shared]) shared++;
  if (shared === 0) return [];
  const unique = host.slice(shared).reverse();
  const name = unique.join('.');
  return unique.length === 2
    ? [...withPort(name, port), ...withPort(`${name}.${domain[shared - 1]}`, port)]
    : withPort(name, port);
}

/** Every other name by which a client may call a host: with a trailing dot, short, namespaced, `.svc` (istio: GenerateAltVirtualHosts). */
export function alternateNames(hostname: string, context: DomainContext): string[] {
  const dotted = [`${hostname}.`, ...(context.port === undefined ? [] : [`${hostname}.:${context.port}`])];
  if (!context.dnsDomain.includes('.svc.')) return [...dotted, ...sharedForms(hostname, context)];
  // Only hosts of the cluster are shortened: short forms of others could take the name of a Service.
  if (!hostname.endsWith(withoutNamespace(context.dnsDomain))) return dotted;
  // The short form of a whole namespace's wildcard would take every host there is.
  const short = kubernetesForms(hostname, context).filter(name => name.split(':')[0] !== '*');
  return [...dotted, ...short];
}

/**
 * The virtual IPs of a Service that a proxy can reach, as istiod chooses them (istio: Service.getAllAddressesForProxy): addresses that nobody
 * gave count where the agent answers DNS with them, whether or not it asks for them itself.
 */
export function addressesFor(service: Service, naming: Naming): readonly string[] {
  if (service.registry === 'External' && service.addresses.length)
    return service.addresses.filter(address => !isUnspecified(address));
  const own = service.addresses.length || !naming.dnsCapture ? service.addresses : service.autoAllocated;
  return reachable(own, naming);
}

/** The domains of a Service's virtual host, and which of them are short forms that give way to a host of that very name. */
export function serviceDomains(
  service: Service,
  naming: Naming,
  port: number | undefined,
): { readonly domains: readonly string[]; readonly alternates: ReadonlySet<string> } {
  const context: DomainContext = { dnsDomain: naming.dnsDomain, port };
  const names: string[] = [service.hostname, ...service.aliases.map(alias => alias.hostname)];
  const alternates = new Set<string>();
  const domains = names.flatMap(name => {
    const others = alternateNames(name, context);
    for (const other of others) alternates.add(other);
    return [...withPort(name, port), ...others];
  });
  // Pods of a headless Service are called by names of their own below it.
  const wildcards =
    service.resolution === 'Passthrough' && service.registry === 'Kubernetes'
      ? domains.map(domain => `*.${domain}`)
      : [];
  // istiod makes a Service of each address of a ServiceEntry; in a table by host the last one stays.
  const reachable = addressesFor(service, naming);
  const given = service.registry === 'External' && service.addresses.length > 0;
  const addresses = (given ? reachable.slice(-1) : reachable).flatMap(address => withPort(address, port));
  return { domains: [...domains, ...wildcards, ...addresses], alternates };
}

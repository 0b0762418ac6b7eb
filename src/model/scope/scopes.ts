import type { ConfigContents } from '../../config/store.ts';
import type { Gateway, Sidecar, VirtualService } from '../../istio/config.ts';
import { byAge, selects } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { expandTrustDomains } from '../../istio/spiffe.ts';
import { equalList, equalMap, Interner, memo, nameOf } from '../../memo.ts';
import type { IstioEgressListener } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { endpointsKey } from '../endpoints/endpoint.ts';
import type { Identities } from '../endpoints/endpoint-index.ts';
import type { LastRecords } from '../incremental/last-records.ts';
import type { PolicyIndex } from '../policies/policies.ts';
import { type DestinationRuleIndex, decideRules, rulesFor } from '../routing/destination-rules.ts';
import type { GatewayBinding } from '../routing/merged-gateway.ts';
import { applyingTo, decideRoutes } from '../routing/source-conditions.ts';
import { type VirtualServiceIndex, virtualServicesFor } from '../routing/virtual-service-index.ts';
import { concrete } from '../services/aliases.ts';
import type { Hostname, Service } from '../services/service.ts';
import { type ServiceIndex, visibleServices } from '../services/service-index.ts';
import { egressHosts, importedVirtualServices } from './egress-hosts.ts';
import {
  type HostList,
  importedServices,
  listenerPort,
  ownPorts,
  routedServices,
  unambiguous,
  unionOf,
} from './imports.ts';
import type { EgressListener, Scope } from './scope.ts';
import { outboundPolicyOf, type SidecarIndex, sidecarFor } from './sidecars.ts';

type Labels = Readonly<Record<string, string>>;

export type ScopeInputs = readonly [
  services: ServiceIndex,
  virtualServices: VirtualServiceIndex,
  destinationRules: DestinationRuleIndex,
  sidecars: SidecarIndex,
  gateways: ConfigContents['Gateway'],
  policies: PolicyIndex,
  identities: Identities,
  settings: MeshSettings,
];

/** Finds the scope of proxies. */
export interface ScopeIndex {
  /** The scope of proxies with these labels (one object for equal labels) in a namespace; made once. */
  scopeOf(type: 'sidecar' | 'router', namespace: string, labels: Labels): Scope;
}

const captureModes = ['DEFAULT', 'IPTABLES', 'NONE'] as const;

const sorted = memo((gateways: ConfigContents['Gateway']): readonly Gateway[] => [...gateways.values()].sort(byAge));

/** Sidecars without egress listeners import everything. */
const everything: readonly (IstioEgressListener | undefined)[] = [undefined];
const listenersOf = (sidecar: Sidecar | undefined): readonly (IstioEgressListener | undefined)[] =>
  sidecar?.spec.egress?.length ? sidecar.spec.egress : everything;

const accountsOf = memo((names: readonly string[], ids: readonly string[] | undefined, aliases: readonly string[]) =>
  expandTrustDomains([...(ids ?? []), ...names], aliases),
);
const none: readonly string[] = Object.freeze([]);

/** Whom clients accept as the servers of each Service: its endpoints' ids and the names that the Service itself gives. */
const identitiesFor = memo(
  (services: readonly Service[], identities: Identities, aliases: readonly string[]): Scope['identities'] => {
    const found = new Map<string, readonly string[]>();
    for (const service of services) {
      const key = endpointsKey(service);
      // Those who share a host and its endpoints accept what any of them names.
      const ids = found.get(key) ?? identities.get(key);
      if (!ids && !service.subjectAltNames.length) continue;
      const plain = !service.subjectAltNames.length && !aliases.length;
      found.set(key, plain && ids ? ids : accountsOf(service.subjectAltNames, ids, aliases));
    }
    return found;
  },
);

const withProxyHost = memo((policy: Scope['outboundPolicy'], host: Hostname): Scope['outboundPolicy'] =>
  Object.freeze({ ...policy, egressProxy: policy.egressProxy && { ...policy.egressProxy, host } }),
);

/** The policy with the Service that its egress proxy's name stands for. */
function throughAlias(policy: Scope['outboundPolicy'], byHost: HostList['byHost']): Scope['outboundPolicy'] {
  const host = policy.egressProxy?.host;
  const hostname = host && concrete(byHost, host)?.hostname;
  return hostname && hostname !== host ? withProxyHost(policy, hostname) : policy;
}

interface Imports {
  readonly listener: IstioEgressListener | undefined;
  readonly services: readonly Service[];
  readonly routes: readonly VirtualService[];
  /** How the conditions of the routes on the proxy come out. */
  readonly decision: string;
  readonly routed: readonly Service[];
}

/** The scopes of one mesh; every part of a scope that is as before is the one before. */
export function scopeIndex(inputs: ScopeInputs, last: LastRecords): ScopeIndex {
  const [services, virtualServices, destinationRules, sidecars, gateways, policies, identities, settings] = inputs;
  const aliases = settings.config.trustDomainAliases ?? none;
  const known = new Interner<Scope>();

  /** What an egress listener imports, and where its routes lead besides. */
  const imports = (listener: IstioEgressListener | undefined, namespace: string, labels: Labels): Imports => {
    const visible = visibleServices(services, namespace);
    const imported = listener ? importedServices(visible, listener, namespace) : unambiguous(visible, namespace);
    const list = equalList(imported);
    const all = virtualServicesFor(virtualServices, namespace, 'mesh');
    const routes = listener ? importedVirtualServices(all, egressHosts(listener, namespace)) : all;
    const decision = decideRoutes(routes, { namespace, labels, gateway: 'mesh' });
    const routed = routedServices(unionOf(list), routes, listener && listenerPort(listener), services, namespace);
    return { listener, services: list, routes, decision, routed: equalList(routed) };
  };

  const egressListener = (
    { listener, services: list, routes, decision }: Imports,
    hosts: HostList,
    name: string,
  ): EgressListener =>
    Object.freeze(
      last.record(`egress ${name} ${decision}`, {
        port: listener?.port,
        bind: listener?.bind ?? '',
        captureMode: captureModes[listener?.captureMode ?? 0] ?? 'DEFAULT',
        services: equalList(ownPorts(list, hosts)),
        virtualServices: equalList(applyingTo(routes, decision)),
      }),
    );

  const bindings = (
    namespace: string,
    labels: Labels,
  ): { readonly list: readonly GatewayBinding[]; readonly key: string } => {
    let key = '';
    const list = sorted(gateways)
      .filter(({ spec }) => selects(spec.selector ?? {}, labels))
      .map(gateway => {
        const name = `${gateway.meta.namespace}/${gateway.meta.name}`;
        const routes = virtualServicesFor(virtualServices, namespace, name);
        const decision = decideRoutes(routes, { namespace, labels, gateway: name });
        const id = `${namespace} ${name} ${decision}`;
        key += `${id};`;
        return last.record(`gateway ${id}`, {
          gateway,
          virtualServices: equalList(applyingTo(routes, decision)),
        });
      });
    return { list: equalList(list), key };
  };

  const make = (type: 'sidecar' | 'router', namespace: string, labels: Labels): Scope => {
    const sidecar = type === 'sidecar' ? sidecarFor(sidecars, namespace, labels) : undefined;
    const name = `${namespace} ${sidecar?.meta.key ?? ''}`;
    const imported = listenersOf(sidecar).map(listener => imports(listener, namespace, labels));
    const lists = imported.flatMap(({ services: list, routed }) => (routed.length ? [list, routed] : [list]));
    const hosts = unionOf(...lists);
    const rules = decideRules(destinationRules, namespace, labels);
    const general = rules.replaceAll('1', '0');
    const gatewaysOf = type === 'router' ? bindings(namespace, labels) : { list: [], key: '' };
    const decisions = imported.map(({ decision }) => decision).join(' ');
    const id = `${name} ${decisions} ${rules} ${gatewaysOf.key}`;
    return last.record(
      `scope ${type} ${id}`,
      Object.freeze({
        mesh: settings,
        namespace,
        sidecar,
        outboundPolicy: throughAlias(outboundPolicyOf(settings, sidecar), hosts.byHost),
        egress: equalList(imported.map((from, i) => egressListener(from, hosts, `${name} ${i}`))),
        services: equalList(hosts.services),
        serviceByHost: hosts.byHost,
        destinationRules: equalMap(rulesFor(destinationRules, hosts.services, namespace, rules)),
        inboundRules: equalMap(rulesFor(destinationRules, hosts.services, namespace, general)),
        identities: equalMap(identitiesFor(hosts.services, identities, aliases)),
        peerAuthentications: policies.peerAuthentications,
        gateways: equalList(gatewaysOf.list),
      }),
    );
  };

  return {
    scopeOf(type, namespace, labels) {
      return known.intern(`${type} ${namespace} ${nameOf(labels)}`, () => make(type, namespace, labels));
    },
  };
}

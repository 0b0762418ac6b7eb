import type { ConfigContents } from '../../config/store.ts';
import type { DestinationRule, Gateway, Sidecar, VirtualService } from '../../istio/config.ts';
import { byAge, selects } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { expandTrustDomains } from '../../istio/spiffe.ts';
import { memo, type Name, one, oneList, oneMap } from '../../memo.ts';
import type { IstioEgressListener } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { endpointsKey } from '../endpoints/endpoint.ts';
import type { Identities } from '../endpoints/endpoint-index.ts';
import type { PolicyIndex } from '../policies/policies.ts';
import { type DestinationRuleIndex, rulesFor, selectingRules } from '../routing/destination-rules.ts';
import type { GatewayBinding } from '../routing/merged-gateway.ts';
import { applyingTo } from '../routing/source-conditions.ts';
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
import type { EgressListener, ProxyShape, Scope } from './scope.ts';
import { outboundPolicyOf, type SidecarIndex, sidecarFor } from './sidecars.ts';

export interface ScopeInputs {
  readonly services: ServiceIndex;
  readonly virtualServices: VirtualServiceIndex;
  readonly destinationRules: DestinationRuleIndex;
  readonly sidecars: SidecarIndex;
  readonly gateways: ConfigContents['Gateway'];
  readonly policies: PolicyIndex;
  readonly identities: Identities;
  readonly settings: MeshSettings;
}

/** Finds the scope of proxies. */
export interface ScopeIndex {
  scopeOf(shape: ProxyShape): Scope;
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
    return oneMap(found);
  },
);

const withProxyHost = memo((policy: Scope['outboundPolicy'], host: Hostname): Scope['outboundPolicy'] =>
  one({ ...policy, egressProxy: policy.egressProxy && one({ ...policy.egressProxy, host }) }),
);

/** The policy with the Service that its egress proxy's name stands for. */
function throughAlias(policy: Scope['outboundPolicy'], byHost: HostList['byHost']): Scope['outboundPolicy'] {
  const host = policy.egressProxy?.host;
  const hostname = host && concrete(byHost, host)?.hostname;
  return hostname && hostname !== host ? withProxyHost(policy, hostname) : policy;
}

/** What one egress listener imports, whatever labels a proxy has. */
interface Imports {
  readonly listener: IstioEgressListener | undefined;
  readonly services: readonly Service[];
  readonly routes: readonly VirtualService[];
  /** Where the routes lead besides. */
  readonly routed: readonly Service[];
}

/** What all egress listeners of a Sidecar import in a namespace. */
interface Imported {
  readonly listeners: readonly Imports[];
  readonly hosts: HostList;
}

const NO_BINDINGS: readonly GatewayBinding[] = Object.freeze([]);
const NO_RULES: readonly DestinationRule[] = oneList([]);

/** The scopes of one mesh; every part of a scope that is as before is the one before. */
export function scopeIndex(inputs: ScopeInputs): ScopeIndex {
  const { services, virtualServices, destinationRules, sidecars, gateways, policies, identities, settings } = inputs;
  const aliases = settings.config.trustDomainAliases ?? none;

  const importsOf = (listener: IstioEgressListener | undefined, namespace: Name): Imports => {
    const visible = visibleServices(services, namespace.name);
    const list = oneList(listener ? importedServices(visible, listener, namespace) : unambiguous(visible, namespace));
    const all = virtualServicesFor(virtualServices, namespace.name, 'mesh');
    const routes = listener ? importedVirtualServices(all, egressHosts(listener, namespace)) : all;
    const routed = routedServices(unionOf(list), routes, listener && listenerPort(listener), services, namespace);
    return { listener, services: list, routes, routed };
  };

  const importedBy = memo((sidecar: Sidecar | undefined, namespace: Name): Imported => {
    const listeners = listenersOf(sidecar).map(listener => importsOf(listener, namespace));
    const lists = listeners.flatMap(({ services: list, routed }) => (routed.length ? [list, routed] : [list]));
    return { listeners, hosts: unionOf(...lists) };
  });

  const bindings = ({ namespace: { name: namespace }, pod: { labels } }: ProxyShape): readonly GatewayBinding[] =>
    oneList(
      sorted(gateways)
        .filter(({ spec }) => selects(spec.selector ?? {}, labels))
        .map(gateway => {
          const name = `${gateway.meta.namespace}/${gateway.meta.name}`;
          const routes = virtualServicesFor(virtualServices, namespace, name);
          return one({ gateway, virtualServices: applyingTo(routes, { namespace, labels, gateway: name }) });
        }),
    );

  return {
    scopeOf: memo((shape: ProxyShape): Scope => {
      const { type, namespace: home, pod } = shape;
      const { labels } = pod;
      const namespace = home.name;
      const sidecar = type === 'sidecar' ? sidecarFor(sidecars, namespace, labels) : undefined;
      const { listeners, hosts } = importedBy(sidecar, home);
      const egress = listeners.map(
        ({ listener, services: list, routes }): EgressListener =>
          one({
            port: listener?.port,
            bind: listener?.bind ?? '',
            captureMode: captureModes[listener?.captureMode ?? 0] ?? 'DEFAULT',
            services: ownPorts(list, hosts),
            virtualServices: applyingTo(routes, { namespace, labels, gateway: 'mesh' }),
          }),
      );
      const rules = selectingRules(destinationRules, namespace, labels);
      return one<Scope>({
        mesh: settings,
        namespace,
        sidecar,
        outboundPolicy: throughAlias(outboundPolicyOf(settings, sidecar), hosts.byHost),
        egress: oneList(egress),
        services: hosts.services,
        serviceByHost: hosts.byHost,
        destinationRules: rulesFor(destinationRules, hosts.services, rules, home),
        inboundRules: rulesFor(destinationRules, hosts.services, NO_RULES, home),
        identities: identitiesFor(hosts.services, identities, aliases),
        peerAuthentications: policies.peerAuthentications,
        gateways: type === 'router' ? bindings(shape) : NO_BINDINGS,
      });
    }),
  };
}

import type { ConfigContents } from '../config/store.ts';
import { Interner, memo, nameOf } from '../memo.ts';
import type { IstioEgressListener } from '../proto/generated/istio/networking/v1alpha3.ts';
import type { Gateway, Sidecar } from './config.ts';
import { type DestinationRuleIndex, decideRules, rulesFor } from './destination-rules.ts';
import { egressHosts, importedVirtualServices } from './egress-hosts.ts';
import { endpointsKey } from './endpoint.ts';
import type { Identities } from './endpoint-index.ts';
import { importedServices, listenerPort, routedServices, unambiguous, unionOf } from './imports.ts';
import type { LastValues } from './last-values.ts';
import { byAge, selects } from './object.ts';
import type { PolicyIndex } from './policies.ts';
import type { EgressListener, GatewayBinding, Scope } from './scope.ts';
import type { Hostname, Service } from './service.ts';
import { type ServiceIndex, visibleServices } from './service-index.ts';
import type { MeshSettings } from './settings.ts';
import { outboundPolicyOf, type SidecarIndex, sidecarFor } from './sidecars.ts';
import { decideRoutes, specialise } from './specialise.ts';
import { expandTrustDomains } from './spiffe.ts';
import { type VirtualServiceIndex, virtualServicesFor } from './virtual-service-index.ts';

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
    const found = new Map<Hostname, readonly string[]>();
    for (const service of services) {
      const ids = identities.get(endpointsKey(service));
      if (!ids && !service.subjectAltNames.length) continue;
      const plain = !service.subjectAltNames.length && !aliases.length;
      found.set(service.hostname, plain && ids ? ids : accountsOf(service.subjectAltNames, ids, aliases));
    }
    return found;
  },
);

/** The scopes of one mesh; every part of a scope that is as before is the one before. */
export function scopeIndex(inputs: ScopeInputs, last: LastValues): ScopeIndex {
  const [services, virtualServices, destinationRules, sidecars, gateways, policies, identities, settings] = inputs;
  const aliases = settings.config.trustDomainAliases ?? none;
  const known = new Interner<Scope>();

  const egressListener = (
    listener: IstioEgressListener | undefined,
    namespace: string,
    labels: Labels,
    name: string,
  ): { readonly egress: EgressListener; readonly routed: readonly Service[]; readonly decision: string } => {
    const visible = visibleServices(services, namespace);
    const imported = listener ? importedServices(visible, listener, namespace) : unambiguous(visible, namespace);
    const list = last.list(`services ${name}`, imported);
    const all = virtualServicesFor(virtualServices, namespace, 'mesh');
    const routes = listener ? importedVirtualServices(all, egressHosts(listener, namespace)) : all;
    const decision = decideRoutes(routes, { namespace, labels, gateway: 'mesh' });
    const egress = last.record(`egress ${name} ${decision}`, {
      port: listener?.port,
      bind: listener?.bind ?? '',
      captureMode: captureModes[listener?.captureMode ?? 0] ?? 'DEFAULT',
      services: list,
      virtualServices: last.list(`routes ${name} ${decision}`, specialise(routes, decision)),
    });
    const port = listener && listenerPort(listener);
    const routed = routedServices(unionOf(list), routes, port, services, namespace);
    return { egress: Object.freeze(egress), routed: last.list(`routed ${name}`, routed), decision };
  };

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
          virtualServices: last.list(`gateway routes ${id}`, specialise(routes, decision)),
        });
      });
    return { list: last.list(`gateways ${key}`, list), key };
  };

  const make = (type: 'sidecar' | 'router', namespace: string, labels: Labels): Scope => {
    const sidecar = type === 'sidecar' ? sidecarFor(sidecars, namespace, labels) : undefined;
    const name = `${namespace} ${sidecar?.meta.key ?? ''}`;
    const listeners = listenersOf(sidecar).map((listener, i) =>
      egressListener(listener, namespace, labels, `${name} ${i}`),
    );
    const lists = listeners.flatMap(({ egress, routed }) =>
      routed.length ? [egress.services, routed] : [egress.services],
    );
    const hosts = unionOf(...lists);
    const rules = decideRules(destinationRules, namespace, labels);
    const general = rules.replaceAll('1', '0');
    const gatewaysOf = type === 'router' ? bindings(namespace, labels) : { list: [], key: '' };
    const decisions = listeners.map(({ decision }) => decision).join(' ');
    const id = `${name} ${decisions} ${rules} ${gatewaysOf.key}`;
    return last.record(
      `scope ${type} ${id}`,
      Object.freeze({
        mesh: settings,
        namespace,
        sidecar,
        outboundPolicy: outboundPolicyOf(settings, sidecar),
        egress: last.list(
          `listeners ${name} ${decisions}`,
          listeners.map(({ egress }) => egress),
        ),
        services: last.list(`all services ${name}`, hosts.services),
        serviceByHost: hosts.byHost,
        destinationRules: last.map(
          `rules ${name} ${rules}`,
          rulesFor(destinationRules, hosts.services, namespace, rules),
        ),
        inboundRules: last.map(
          `rules ${name} ${general}`,
          rulesFor(destinationRules, hosts.services, namespace, general),
        ),
        identities: last.map(`identities ${name}`, identitiesFor(hosts.services, identities, aliases)),
        peerAuthentications: policies.peerAuthentications,
        gateways: last.list(`bindings ${gatewaysOf.key}`, gatewaysOf.list),
      }),
    );
  };

  return {
    scopeOf(type, namespace, labels) {
      return known.intern(`${type} ${namespace} ${nameOf(labels)}`, () => make(type, namespace, labels));
    },
  };
}

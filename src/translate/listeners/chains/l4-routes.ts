import { objectSources, type VirtualService, writtenPath } from '../../../istio/config.ts';
import { overlaps } from '../../../istio/hosts.ts';
import { opaqueDestinationHosts } from '../../../istio/virtual-service.ts';
import { memo, one, oneList } from '../../../memo.ts';
import type { EffectiveDestinationRule } from '../../../model/routing/destination-rules.ts';
import type { Scope } from '../../../model/scope/scope.ts';
import { concrete } from '../../../model/services/aliases.ts';
import type { Service, ServicePort } from '../../../model/services/service.ts';
import type { ObjectKey } from '../../../object-key.ts';
import type { Filter } from '../../../proto/generated/envoy/config/listener/v3.ts';
import type { RouteDestination } from '../../../proto/generated/istio/networking/v1alpha3.ts';
import { outboundStatName } from '../../clusters/stat-name.ts';
import {
  type Destinations,
  destinationCluster,
  destinationsOf,
  type Reached,
  ruleSources,
} from '../../routes/destination.ts';
import { fittingWeights } from '../../weights.ts';
import type { OwnedChain } from './distinct-chains.ts';
import type { ChainSpec } from './filter-chain.ts';
import { isWithinMesh, networkFilters, type TcpContext } from './network-filters.ts';

/** A VirtualService with `tcp` or `tls` routes, together with what its destinations are. Interned. */
export interface L4Route {
  readonly virtualService: VirtualService;
  readonly destinations: Destinations;
}

/** What the TCP chains of one Service port are made from, besides the port. Interned: the same as long as nothing in it changed. */
export interface L4Input {
  readonly rule: EffectiveDestinationRule | undefined;
  readonly routes: readonly L4Route[];
}

/** The VirtualServices that have anything to say about TCP: few, so that the others need not be looked at for every Service. */
export const l4VirtualServices = memo((all: readonly VirtualService[]): readonly VirtualService[] =>
  oneList(all.filter(v => (v.spec.tcp?.length ?? 0) > 0 || (v.spec.tls?.length ?? 0) > 0)),
);

/** What TCP routes look their destinations up in. */
export type L4Scope = Pick<Scope, 'serviceByHost' | 'destinationRules'>;

/** A VirtualService with what its TCP destinations reach in the scope. */
export function l4Route(virtualService: VirtualService, scope: L4Scope): L4Route {
  const hosts = opaqueDestinationHosts(virtualService);
  const destinations = destinationsOf(hosts, host => {
    const service = concrete(scope.serviceByHost, host);
    // A rule of a host that has no Service is not in force.
    return { service, rule: service && scope.destinationRules.get(service.hostname) };
  });
  return one({ virtualService, destinations });
}

/** The objects that a route is made from. */
export const routeSources = memo(({ virtualService, destinations }: L4Route): readonly ObjectKey[] => [
  ...objectSources(virtualService),
  ...ruleSources(opaqueDestinationHosts(virtualService), destinations),
]);

/** What TCP chains of a Service are made from: its rule, and the VirtualServices of the egress listener that name its host. */
export function l4Input(service: Service, virtualServices: readonly VirtualService[], scope: L4Scope): L4Input {
  const named = virtualServices.filter(v => v.spec.hosts?.some(host => overlaps(host, service.hostname)));
  const routes = oneList(named.map(v => l4Route(v, scope)));
  return one({ rule: scope.destinationRules.get(service.hostname), routes });
}

/** A chain with the place in its VirtualService that asks for it. */
export const ownedByRoute = ({ virtualService }: L4Route, path: string, chain: ChainSpec): OwnedChain => ({
  chain,
  owner: { object: virtualService.meta.key, path: writtenPath(virtualService, path) },
});

const NOTHING: Reached = Object.freeze({ service: undefined, rule: undefined });

/** The filters of a VirtualService's TCP or TLS route: one cluster, or several by weight (istio: buildOutboundNetworkFilters). */
export function routeFilters(
  context: TcpContext,
  route: L4Route,
  destinations: readonly RouteDestination[],
  port: Pick<ServicePort, 'port' | 'name' | 'protocol'>,
  exchangesMetadata = false,
): readonly Filter[] {
  const { meta } = route.virtualService;
  const cluster = (d: RouteDestination): string =>
    destinationCluster(d.destination ?? {}, { destinations: route.destinations, port: port.port });
  const [first, ...others] = destinations;
  const host = first?.destination?.host;
  const { service, rule } = (host && route.destinations.get(host)) || NOTHING;
  const withinMesh = destinations.every(({ destination = {} }) => {
    const reached = (destination.host && route.destinations.get(destination.host)) || NOTHING;
    return isWithinMesh(reached.service, reached.rule, destination.subset ?? '', destination.port?.number ?? port.port);
  });
  const number = first?.destination?.port?.number;
  const common = { protocol: port.protocol, rule, exchangesMetadata, withinMesh, port: number };
  if (first && others.length === 0) {
    const name = cluster(first);
    const subset = first.destination?.subset ?? '';
    const statPrefix = outboundStatName(context.mesh, service, port, subset, name);
    return networkFilters(context, { ...common, statPrefix, clusters: [{ name }], subset });
  }
  const weighted = destinations.filter(d => (d.weight ?? 0) > 0);
  const weights = fittingWeights(weighted.map(d => d.weight ?? 0));
  return networkFilters(context, {
    ...common,
    statPrefix: `${meta.name}.${meta.namespace}`,
    clusters: weighted.map((d, i) => ({ name: cluster(d), weight: weights[i] ?? 0 })),
    subset: '',
  });
}

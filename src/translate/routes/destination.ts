import type { MeshSettings } from '../../istio/settings.ts';
import { one, oneMap } from '../../memo.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { Hostname, Service } from '../../model/services/service.ts';
import type { ObjectKey } from '../../object-key.ts';
import type { Destination } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { outboundClusterName } from '../names.ts';

/** What a destination's host stands for, and the rule of that. */
export interface Reached {
  readonly service: Service | undefined;
  readonly rule: EffectiveDestinationRule | undefined;
}

/** What each destination of a VirtualService reaches, by host. One value while it is the same. */
export type Destinations = ReadonlyMap<Hostname, Reached>;

export const destinationsOf = (hosts: readonly Hostname[], reach: (host: Hostname) => Reached): Destinations =>
  oneMap(new Map(hosts.map(host => [host, one(reach(host))])));

/** The objects that the rules of some hosts come from, in the order of the hosts. */
export const ruleSources = (hosts: readonly Hostname[], destinations: Destinations): readonly ObjectKey[] =>
  hosts.flatMap(host => destinations.get(host)?.rule?.sources ?? []);

/** What the routes of one VirtualService on one port are made from, besides the VirtualService. */
export interface RouteContext {
  readonly mesh: MeshSettings;
  /** The port that the request came in on: what a destination without a port of its own means. */
  readonly port: number;
  /** The listener ends TLS: redirects default to https. */
  readonly tls: boolean;
  /** `mesh`, or the gateway (`namespace/name`) that the routes are for. */
  readonly gateway: string;
  /** Services where they have this port (for sidecars), or any (for gateways); what an alias stands for in any case. */
  readonly destinations: Destinations;
}

/**
 * The cluster of a destination: its own port, else the only port of its Service, else the port of the request. An ExternalName Service
 * stands for its target (istio: route.GetDestinationCluster).
 */
export function destinationCluster(
  destination: Destination,
  context: Pick<RouteContext, 'destinations' | 'port'>,
): string {
  const { host } = destination;
  const service = host ? context.destinations.get(host)?.service : undefined;
  const [only, ...others] = service ? service.ports : [];
  const port = destination.port?.number ?? (only && !others.length ? only.port : context.port);
  const hostname = service ? service.aliasOf || service.hostname : host;
  return outboundClusterName(hostname ?? '', port, destination.subset ?? '');
}

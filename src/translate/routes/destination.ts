import type { MeshSettings } from '../../istio/settings.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { Hostname, Service } from '../../model/services/service.ts';
import type { Destination } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { outboundClusterName } from '../names.ts';

/** What the routes of one VirtualService on one port are made from, besides the VirtualService. */
export interface RouteContext {
  readonly mesh: MeshSettings;
  /** The port that the request came in on: what a destination without a port of its own means. */
  readonly port: number;
  /** The listener ends TLS: redirects default to https. */
  readonly tls: boolean;
  /** `mesh`, or the gateways (`namespace/name`) that the routes are for. */
  readonly gateways: ReadonlySet<string>;
  /** The Service of a destination host where it has this port (for sidecars), or any (for gateways); what an alias stands for in any case. */
  readonly service: (host: Hostname) => Service | undefined;
  /** The rule of that Service. */
  readonly rule: (host: Hostname) => EffectiveDestinationRule | undefined;
}

/**
 * The cluster of a destination: its own port, else the only port of its Service, else the port of the request. An ExternalName Service
 * stands for its target (istio: route.GetDestinationCluster).
 */
export function destinationCluster(destination: Destination, context: Pick<RouteContext, 'service' | 'port'>): string {
  const { host } = destination;
  const service = host && context.service(host);
  const [only, ...others] = service ? service.ports : [];
  const port = destination.port?.number ?? (only && !others.length ? only.port : context.port);
  const hostname = service ? service.aliasOf || service.hostname : host;
  return outboundClusterName(hostname ?? '', port, destination.subset ?? '');
}

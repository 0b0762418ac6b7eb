import type { ObjectKey } from '../../object-key.ts';
import { recordFaults } from '../../proto/faults.ts';
import type { Route, VirtualHost } from '../../proto/generated/envoy/config/route/v3.ts';
import { type RouteResource, resource } from '../resource.ts';

/** Routes that were looked at for what Envoy would refuse. Those of a VirtualService are made far more seldom than what they become a part of. */
export function lookedAt(routes: readonly Route[]): readonly Route[] {
  for (const route of routes) recordFaults('envoy.config.route.v3.Route', route);
  return routes;
}

/** A virtual host that was looked at. Its routes are {@link lookedAt}. */
export function virtualHost(host: VirtualHost): VirtualHost {
  recordFaults('envoy.config.route.v3.VirtualHost', host, host, 'envoy.config.route.v3.Route');
  return host;
}

/** The route configuration of a name, of {@link virtualHost}s. `anyPort`: what a Host header says of the port does not matter. */
export const routeResource = (
  name: string,
  virtual_hosts: readonly VirtualHost[],
  anyPort: boolean,
  sources: readonly ObjectKey[],
): RouteResource =>
  resource(
    'envoy.config.route.v3.RouteConfiguration',
    name,
    {
      name,
      virtual_hosts,
      validate_clusters: { value: false },
      max_direct_response_body_size_bytes: { value: 1024 * 1024 },
      ignore_port_in_host_matching: anyPort,
    },
    sources,
    'envoy.config.route.v3.VirtualHost',
  );

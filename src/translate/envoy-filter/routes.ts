import { memo } from '../../memo.ts';
import type { MergedGateway } from '../../model/routing/merged-gateway.ts';
import type { RouteConfiguration } from '../../proto/generated/envoy/config/route/v3.ts';
import type { RouteResource } from '../resource.ts';
import { type PatchedList, patchedList, patchedResource } from './list.ts';
import { gatewayRouteParts, patchRouteConfiguration, type RoutePatches } from './route-configuration.ts';

/** The ports of Gateways by the port in the names of their route configurations: that of the pod (istio: getTargetPortMap). */
const servicePorts = memo((merged: MergedGateway): ReadonlyMap<number, readonly number[]> => {
  const ports = new Map<number, number[]>();
  for (const [name, servers] of merged.routes) {
    const { port } = gatewayRouteParts(name);
    const own = servers.flatMap(({ server }) => server.port?.number ?? []);
    ports.set(port, [...new Set([...(ports.get(port) ?? []), ...own])]);
  }
  return ports;
});

const NO_PORTS: readonly number[] = Object.freeze([]);

/** A list of route configurations after its patches. */
export const patchRoutes = memo(
  (
    list: readonly RouteResource[],
    patches: RoutePatches,
    gateways: MergedGateway | undefined,
  ): PatchedList<RouteConfiguration> =>
    patchedList(list, resource => {
      const ports = gateways ? servicePorts(gateways).get(gatewayRouteParts(resource.name).port) : undefined;
      return patchedResource(
        'envoy.config.route.v3.RouteConfiguration',
        resource,
        patchRouteConfiguration(resource.message, patches, ports ?? NO_PORTS),
      );
    }),
);

import { keptList } from '../../lists.ts';
import { memo, oneList } from '../../memo.ts';
import type { RouteConfiguration, VirtualHost } from '../../proto/generated/envoy/config/route/v3.ts';
import { EnvoyFilter_Patch_Operation as Operation } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { clusterNameParts } from './cluster.ts';
import { merge } from './merge.ts';
import { keptName, type Outcome, outcome, type PatchLog, untouched } from './outcome.ts';
import { merges, type Patch, type Patches, replacesLists } from './patch.ts';
import { routesFaults } from './routes-faults.ts';
import { ruleFaults } from './rule-faults.ts';
import { patchVirtualHost } from './virtual-host.ts';

/** The patches that route configurations of one context are under. */
export interface RoutePatches extends Pick<Patches, 'routeConfigurations' | 'virtualHosts' | 'routes'> {
  /** Gateways' route configurations have names of their own. */
  readonly gateway: boolean;
}

/** What the name of a gateway's route configuration says: `https.443.https.my-gateway.default` (istio: ParseGatewayRDSRouteName). */
export function gatewayRouteParts(name: string): {
  readonly port: number;
  readonly portName: string;
  readonly gateway: string;
} {
  const number = (text: string): number => (/^\d+$/.test(text) ? Number(text) : 0);
  if (name.startsWith('http.')) return { port: number(name.slice('http.'.length)), portName: '', gateway: '' };
  const [scheme, port = '', portName = '', gateway, namespace, ...more] = name.split('.');
  if (scheme !== 'https' || namespace === undefined || more.length) return { port: 0, portName: '', gateway: '' };
  return { port: number(port), portName, gateway: `${namespace}/${gateway}` };
}

const portOfName = (name: string): number =>
  name.startsWith('inbound') ? clusterNameParts(name).port : /^[+-]?\d+$/.test(name) ? Number(name) : 0;

/** Whether a patch is for a route configuration. `ports` are the Service ports behind a gateway's; empty where none map to it. */
function matches(
  { name = '' }: RouteConfiguration,
  { match }: Patch,
  gateway: boolean,
  ports: readonly number[],
): boolean {
  const wanted = match.routeConfiguration;
  if (!wanted) return true;
  if (wanted.name && wanted.name !== name) return false;
  const number = wanted.portNumber;
  if (!gateway) return !number || number === portOfName(name);
  const parts = gatewayRouteParts(name);
  return (
    (!wanted.portName || wanted.portName === parts.portName) &&
    (!wanted.gateway || wanted.gateway === parts.gateway) &&
    (!number || (ports.length ? ports.includes(number) : number === parts.port))
  );
}

/** Whether any patch is for a route configuration. */
export const isForRoutes = (
  routes: RouteConfiguration,
  { routeConfigurations, virtualHosts, routes: ofRoutes, gateway }: RoutePatches,
  ports: readonly number[],
): boolean =>
  [routeConfigurations, virtualHosts, ofRoutes].some(list =>
    list.some(patch => matches(routes, patch, gateway, ports)),
  );

/** The patches that are kept. */
export const onlyRoutes = (patches: RoutePatches, keep: (patch: Patch) => boolean): RoutePatches => ({
  routeConfigurations: patches.routeConfigurations.filter(keep),
  virtualHosts: patches.virtualHosts.filter(keep),
  routes: patches.routes.filter(keep),
  gateway: patches.gateway,
});

/** Applies the patches of a context to a route configuration (istio: ApplyRouteConfigurationPatches). */
export function patchedRoutes(
  original: RouteConfiguration,
  patches: RoutePatches,
  ports: readonly number[],
  log: PatchLog,
): RouteConfiguration {
  let routes = original;
  for (const patch of patches.routeConfigurations) {
    if (!merges(patch) || !matches(routes, patch, patches.gateway, ports)) continue;
    log.applied.add(patch);
    const merged = merge('envoy.config.route.v3.RouteConfiguration', routes, patch.value, replacesLists(patch));
    // Listeners ask for it by its name.
    routes = keptName(log, patch, routes, merged);
  }
  const named = routes;
  const isFor = (patch: Patch): boolean => matches(named, patch, patches.gateway, ports);
  const ofHosts = oneList(patches.virtualHosts.filter(isFor));
  const ofRoutes = oneList(patches.routes.filter(isFor));
  const before = routes.virtual_hosts ?? [];
  const removed = new Set<string>();
  const hosts: VirtualHost[] = [];
  for (const host of before) {
    const { message, name, applied } = patchVirtualHost(host, ofHosts, ofRoutes);
    for (const patch of applied) log.applied.add(patch);
    if (message) hosts.push(message);
    else removed.add(name);
  }
  for (const patch of ofHosts) {
    if (patch.operation !== Operation.ADD) continue;
    log.applied.add(patch);
    hosts.push(patch.value);
  }
  // istiod takes away every virtual host with the name of one that is to be removed, also those added.
  const left = hosts.filter(({ name = '' }) => !removed.has(name));
  const virtual_hosts = keptList(before, left);
  return virtual_hosts === before ? routes : { ...routes, virtual_hosts };
}

function* resourceFaults(routes: RouteConfiguration): Iterable<string> {
  yield* routesFaults(routes);
  yield* ruleFaults('envoy.config.route.v3.RouteConfiguration', routes);
}

const patchMatched = memo(
  (routes: RouteConfiguration, patches: RoutePatches, ...ports: readonly number[]): Outcome<RouteConfiguration> =>
    outcome(
      routes,
      (keep, log) => Object.freeze(patchedRoutes(routes, onlyRoutes(patches, keep), ports, log)),
      resourceFaults,
    ),
);

/** Applies the patches of a context to a route configuration. `ports`: the Service ports behind a gateway's. */
export const patchRouteConfiguration = (
  routes: RouteConfiguration,
  patches: RoutePatches,
  ports: readonly number[],
): Outcome<RouteConfiguration> =>
  isForRoutes(routes, patches, ports) ? patchMatched(routes, patches, ...ports) : untouched(routes);

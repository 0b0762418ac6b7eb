import { keptList } from '../../lists.ts';
import { memo } from '../../memo.ts';
import type { Route, VirtualHost } from '../../proto/generated/envoy/config/route/v3.ts';
import {
  EnvoyFilter_RouteConfigurationMatch_RouteMatch_Action as Action,
  EnvoyFilter_Patch_Operation as Operation,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { type ElementMatch, edited } from './filter-list.ts';
import { merge } from './merge.ts';
import { mergedOrRemoved } from './outcome.ts';
import { merges, type Patch, replacesLists } from './patch.ts';

/** A virtual host after its patches: undefined where it is removed. */
interface PatchedHost {
  readonly message: VirtualHost | undefined;
  /** What it was called when it was removed. */
  readonly name: string;
  readonly applied: readonly Patch[];
}

const matchesHost = ({ name = '', domains = [] }: VirtualHost, { match }: Patch): boolean => {
  const wanted = match.routeConfiguration?.vhost;
  const isHost = (host: string, written: string): boolean => host === written.toLowerCase();
  return (
    (!wanted?.name || isHost(wanted.name, name)) &&
    (!wanted?.domainName || domains.some(domain => isHost(wanted.domainName ?? '', domain)))
  );
};

const choosesRoute = ({ match }: Patch): boolean => match.routeConfiguration?.vhost?.route !== undefined;

const actionOf = (route: Route): Action =>
  route.route
    ? Action.ROUTE
    : route.redirect
      ? Action.REDIRECT
      : route.direct_response
        ? Action.DIRECT_RESPONSE
        : Action.ANY;

function matchesRoute(route: Route, { match }: Patch): boolean {
  const wanted = match.routeConfiguration?.vhost?.route;
  if (!wanted) return true;
  if (wanted.name && wanted.name !== route.name) return false;
  const action = wanted.action ?? Action.ANY;
  return action === Action.ANY || actionOf(route) === Action.ANY || actionOf(route) === action;
}

const about: ElementMatch<Route> = { chooses: choosesRoute, matches: matchesRoute };

const insertions: ReadonlySet<Operation> = new Set([
  Operation.ADD,
  Operation.INSERT_FIRST,
  Operation.INSERT_BEFORE,
  Operation.INSERT_AFTER,
]);

function inserted(list: readonly Route[], patch: Patch<Route>): readonly Route[] {
  // Where a route is named, it only has to be there for the new one to go first.
  if (
    patch.operation === Operation.INSERT_FIRST &&
    choosesRoute(patch) &&
    !list.some(route => matchesRoute(route, patch))
  )
    return list;
  return edited(list, patch, about);
}

function patchRoutes(host: VirtualHost, all: readonly Patch<Route>[], applied: Set<Patch>): VirtualHost {
  const patches = all.filter(patch => matchesHost(host, patch));
  if (!patches.length) return host;
  const before = host.routes ?? [];
  const merged = (route: Route, patch: Patch<Route>): Route =>
    merge('envoy.config.route.v3.Route', route, patch.value, replacesLists(patch));
  let list: readonly Route[] = before.flatMap(
    route => mergedOrRemoved(route, patches, matchesRoute, merged, applied) ?? [],
  );
  for (const patch of patches) {
    if (!insertions.has(patch.operation)) continue;
    const next = inserted(list, patch);
    if (next !== list) applied.add(patch);
    list = next;
  }
  const routes = keptList(before, list);
  return routes === before ? host : { ...host, routes };
}

/** Applies patches of virtual hosts and routes to a virtual host. Both lists are of patches that are for its route configuration. */
export const patchVirtualHost = memo(
  (original: VirtualHost, ofHosts: readonly Patch<VirtualHost>[], ofRoutes: readonly Patch<Route>[]): PatchedHost => {
    const applied = new Set<Patch>();
    let host = original;
    for (const patch of ofHosts) {
      if (!matchesHost(host, patch)) continue;
      if (patch.operation === Operation.REMOVE) {
        return { message: undefined, name: host.name ?? '', applied: [...applied, patch] };
      }
      if (patch.operation === Operation.REPLACE) host = patch.value;
      else if (merges(patch))
        host = merge('envoy.config.route.v3.VirtualHost', host, patch.value, replacesLists(patch));
      else continue;
      applied.add(patch);
    }
    const message = Object.freeze(patchRoutes(host, ofRoutes, applied));
    return Object.freeze({ message, name: message.name ?? '', applied: [...applied] });
  },
);

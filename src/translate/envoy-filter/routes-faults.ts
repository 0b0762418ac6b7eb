import type { Route, RouteConfiguration, VirtualHost } from '../../proto/generated/envoy/config/route/v3.ts';

function routeFault(route: Route): string | undefined {
  const { match } = route;
  const path =
    match?.prefix ?? match?.path ?? match?.safe_regex ?? match?.connect_matcher ?? match?.path_separated_prefix;
  if (path === undefined && !match?.path_match_policy) return 'a route needs a match of the path';
  const action =
    route.route ?? route.redirect ?? route.direct_response ?? route.filter_action ?? route.non_forwarding_action;
  if (!action) return 'a route needs an action';
  const to = route.route;
  if (!to) return undefined;
  if (to.weighted_clusters && !to.weighted_clusters.clusters?.length) return 'weighted_clusters needs clusters';
  const cluster = to.cluster ?? to.cluster_header ?? to.weighted_clusters ?? to.cluster_specifier_plugin;
  return cluster || to.inline_cluster_specifier_plugin ? undefined : 'a route needs a cluster to go to';
}

function* hostFaults(host: VirtualHost, domains: Set<string>): Iterable<string> {
  if (!host.name) yield 'a virtual host needs a name';
  if (!host.domains?.length) yield `the virtual host ${host.name} needs domains`;
  for (const domain of host.domains ?? []) {
    const lower = domain.toLowerCase();
    if (domains.has(lower)) yield `the virtual host ${host.name} has the domain ${domain} that is there already`;
    domains.add(lower);
  }
  if (host.matcher && host.routes?.length) yield `the virtual host ${host.name} has both a matcher and routes`;
  for (const route of host.routes ?? []) {
    const fault = routeFault(route);
    if (fault) yield `in the virtual host ${host.name}: ${fault}`;
  }
}

/** What Envoy would reject a route configuration for, as far as its hosts and routes tell. */
export function* routesFaults({ virtual_hosts = [] }: RouteConfiguration): Iterable<string> {
  const domains = new Set<string>();
  for (const host of virtual_hosts) yield* hostFaults(host, domains);
}

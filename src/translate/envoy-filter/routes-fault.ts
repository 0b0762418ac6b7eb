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

function hostFault(host: VirtualHost, domains: Set<string>): string | undefined {
  if (!host.name) return 'a virtual host needs a name';
  if (!host.domains?.length) return `the virtual host ${host.name} needs domains`;
  for (const domain of host.domains) {
    const lower = domain.toLowerCase();
    if (domains.has(lower)) return `the virtual host ${host.name} has the domain ${domain} that is there already`;
    domains.add(lower);
  }
  if (host.matcher && host.routes?.length) return `the virtual host ${host.name} has both a matcher and routes`;
  for (const route of host.routes ?? []) {
    const fault = routeFault(route);
    if (fault) return `in the virtual host ${host.name}: ${fault}`;
  }
  return undefined;
}

/** Why Envoy would reject a route configuration, as far as its hosts and routes tell; undefined where they do not. */
export function routesFault({ virtual_hosts = [] }: RouteConfiguration): string | undefined {
  const domains = new Set<string>();
  for (const host of virtual_hosts) {
    const fault = hostFault(host, domains);
    if (fault) return fault;
  }
  return undefined;
}

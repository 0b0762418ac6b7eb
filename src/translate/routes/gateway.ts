import type { VirtualService } from '../../istio/config.ts';
import { bySpecificity, covers, isWildcard, overlaps } from '../../istio/hosts.ts';
import { byKey, compare } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { addTo } from '../../lists.ts';
import { memo } from '../../memo.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import { type GatewayServer, mergeGateways, sniHosts } from '../../model/routing/merged-gateway.ts';
import type { Scope } from '../../model/scope/scope.ts';
import type { Hostname, Service } from '../../model/services/service.ts';
import type { ObjectKey } from '../../object-key.ts';
import {
  type Route,
  type VirtualHost,
  VirtualHost_TlsRequirementType,
} from '../../proto/generated/envoy/config/route/v3.ts';
import type { RouteResource } from '../resource.ts';
import { catchesAll } from './match.ts';
import { virtualServiceRoutes } from './outbound.ts';
import { routeResource, virtualHost } from './route-resource.ts';
import { countsAttempts, hostAndPort, type Routes } from './virtual-host.ts';

/** The hosts of a VirtualService, those that are one name alone apart. */
const namesOf = memo(({ spec: { hosts = [] } }: VirtualService) => ({
  exact: new Set<string>(hosts.filter(host => !isWildcard(host))),
  wildcards: hosts.filter(isWildcard),
}));

/** VirtualServices by the hosts of theirs that are one name alone, and those with wildcards; as places in the list. */
const placesOf = memo((virtualServices: readonly VirtualService[]) => {
  const exact = new Map<string, number[]>();
  const wildcards: number[] = [];
  for (const [i, virtualService] of virtualServices.entries()) {
    const names = namesOf(virtualService);
    if (names.wildcards.length) wildcards.push(i);
    for (const host of names.exact) {
      addTo(exact, host, i);
    }
  }
  return { exact, wildcards };
});

/** The VirtualServices of a server, or of a list, that may have hosts in common with it: not thousands of others for each of thousands. */
export function virtualServicesOf(
  { hosts, virtualServices }: Pick<GatewayServer, 'hosts' | 'virtualServices'>,
  list = virtualServices,
): readonly VirtualService[] {
  const names = hosts.map(host => host.slice(host.indexOf('/') + 1));
  if (names.some(isWildcard)) return list;
  const { exact, wildcards } = placesOf(list);
  const places = new Set([...wildcards, ...names.flatMap(name => exact.get(name) ?? [])]);
  return [...places].sort((a, b) => a - b).flatMap(i => list[i] ?? []);
}

/** The hosts that a server and a VirtualService have in common, the narrower of each pair (istio: host.Names.Intersection). */
export function commonHosts(
  { hosts }: Pick<GatewayServer, 'hosts'>,
  virtualService: VirtualService,
): readonly string[] {
  const allowed = hosts.flatMap(host => {
    const [namespace, name] = host.split('/');
    if (name === undefined) return [host];
    return namespace === virtualService.meta.namespace ? [name] : [];
  });
  const found = new Set<string>();
  const asked = namesOf(virtualService);
  for (const a of allowed) {
    if (isWildcard(a))
      for (const b of virtualService.spec.hosts ?? []) if (overlaps(a, b)) found.add(covers(a, b) ? b : a);
    if (!isWildcard(a) && (asked.exact.has(a) || asked.wildcards.some(wild => covers(wild, a)))) found.add(a);
  }
  return [...found];
}

interface Draft {
  readonly host: string;
  /** Of the first server that has it; several ports of a Gateway can meet in one port of the proxy. */
  readonly port: number;
  readonly routes: Route[];
  readonly sources: Set<ObjectKey>;
  redirects: boolean;
}

const lastCatchAll = (routes: readonly Route[]): readonly Route[] => {
  const isLast = (route: Route): boolean => route.match !== undefined && catchesAll(route.match);
  return [...routes.filter(route => !isLast(route)), ...routes.filter(isLast)];
};

/** Hosts with the very same routes share a virtual host, named after the first (istio: collapseDuplicateRoutes). */
function collapse(drafts: readonly Draft[]): readonly { readonly hosts: readonly string[]; readonly draft: Draft }[] {
  const groups: { hosts: string[]; draft: Draft }[] = [];
  for (const draft of drafts) {
    const same = groups.find(
      g =>
        g.draft.redirects === draft.redirects &&
        g.draft.routes.length === draft.routes.length &&
        g.draft.routes.every((route, i) => route === draft.routes[i]),
    );
    if (same) same.hosts.push(draft.host);
    else groups.push({ hosts: [draft.host], draft });
  }
  return groups;
}

function draftsOf(
  servers: readonly GatewayServer[],
  routesFor: (virtualService: VirtualService, server: GatewayServer) => Routes,
): readonly Draft[] {
  const drafts = new Map<string, Draft>();
  const made = new Map<string, Routes>();
  const draftFor = (host: string, { server }: GatewayServer, redirects: boolean): Draft => {
    const port = server.port?.number ?? 0;
    const draft = drafts.get(host) ?? { host, port, routes: [], sources: new Set(), redirects: false };
    draft.redirects ||= redirects;
    drafts.set(host, draft);
    return draft;
  };
  for (const server of servers) {
    const redirects = server.server.tls?.httpsRedirect ?? false;
    for (const virtualService of virtualServicesOf(server)) {
      const hosts = commonHosts(server, virtualService);
      if (!hosts.length) continue;
      // Ports of a Gateway that meet in one port of the proxy cannot be told apart: the first one's routes are for all (istio: gatewayRoutes).
      const key = `${server.gatewayName} ${virtualService.meta.key}`;
      const { routes, sources } = made.get(key) ?? routesFor(virtualService, server);
      if (!routes.length) continue;
      made.set(key, { routes, sources });
      for (const host of hosts) {
        const draft = draftFor(host, server, redirects);
        draft.routes.push(...routes);
        for (const source of [server.gateway.meta.key, ...sources]) draft.sources.add(source);
      }
    }
    // A host that only redirects needs no VirtualService.
    if (redirects)
      for (const host of sniHosts(server.hosts)) draftFor(host, server, true).sources.add(server.gateway.meta.key);
  }
  return [...drafts.values()].sort((a, b) => bySpecificity(a.host, b.host));
}

function virtualHosts(drafts: readonly Draft[], port: number, mesh: MeshSettings): readonly VirtualHost[] {
  // No virtual host at all would leave the listener warming for ever; an empty one answers 404.
  if (!drafts.length) return [{ name: `blackhole:${port}`, domains: ['*'] }];
  return collapse(drafts)
    .map(({ hosts, draft }) =>
      virtualHost({
        name: hostAndPort(hosts[0] ?? '', draft.port),
        domains: hosts,
        routes: lastCatchAll(draft.routes),
        ...(countsAttempts(mesh) && { include_request_attempt_count: true }),
        ...(draft.redirects && { require_tls: VirtualHost_TlsRequirementType.ALL }),
      }),
    )
    .sort((a, b) => compare(a.name ?? '', b.name ?? ''));
}

const routeConfiguration = memo(
  (
    servers: readonly GatewayServer[],
    services: ReadonlyMap<Hostname, Service>,
    rules: ReadonlyMap<Hostname, EffectiveDestinationRule>,
    mesh: MeshSettings,
    name: string,
  ): RouteResource => {
    const drafts = draftsOf(servers, (virtualService, { server, gatewayName }) =>
      virtualServiceRoutes(virtualService, {
        mesh,
        port: server.port?.number ?? 0,
        tls: server.tls !== undefined,
        gateway: gatewayName,
        services,
        rules,
      }),
    );
    const hosts = virtualHosts(drafts, servers[0]?.server.port?.number ?? 0, mesh);
    return routeResource(name, hosts, true, [...new Set(drafts.flatMap(draft => [...draft.sources]))]);
  },
);

/** The route configurations of a gateway proxy: `http.8080` for all plain servers of a port, `https.443.name.gateway.namespace` for each that ends TLS. */
export const gatewayRoutes = memo((scope: Scope, workload: Workload): readonly RouteResource[] =>
  [...mergeGateways(scope.gateways, workload.targets).routes]
    .sort(byKey)
    .map(([name, servers]) =>
      routeConfiguration(servers, scope.serviceByHost, scope.destinationRules, scope.mesh, name),
    ),
);

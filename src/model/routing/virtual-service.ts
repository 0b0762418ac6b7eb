import type { VirtualService } from '../../istio/config.ts';
import { resolveGatewayName, resolveShortname } from '../../istio/hosts.ts';
import { compare } from '../../istio/object.ts';
import { memo, memoSaid } from '../../memo.ts';
import type {
  Destination,
  HTTPRoute,
  RouteDestination,
  VirtualService as Spec,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { Hostname } from '../../proto/hostname.ts';

/** `f` of every item; the list itself where every item stays. */
function mapSame<T>(list: readonly T[] | undefined, f: (item: T) => T): readonly T[] | undefined {
  const next = list?.map(f);
  return next?.some((item, i) => item !== list?.[i]) ? next : list;
}

/** The spec with every host and gateway written out in full (istio: ResolveVirtualServiceShortnames). */
export function qualifyVirtualService(object: VirtualService, domain: string): VirtualService {
  const { namespace } = object.meta;
  const { spec } = object;
  const host = (name: Hostname): Hostname => resolveShortname(name, namespace, domain);
  const gateway = (name: string): string => resolveGatewayName(name, namespace);
  const destination = (to: Destination): Destination => ({ ...to, host: to.host && host(to.host) });
  const weighted = <T extends { readonly destination?: Destination | undefined }>(route: T): T =>
    route.destination ? { ...route, destination: destination(route.destination) } : route;
  const matched = <T extends { readonly gateways?: readonly string[] | undefined }>(match: T): T =>
    match.gateways?.length ? { ...match, gateways: match.gateways.map(gateway) } : match;

  const http = (route: HTTPRoute): HTTPRoute => ({
    ...route,
    ...(route.match && { match: route.match.map(matched) }),
    ...(route.route && { route: route.route.map(weighted) }),
    ...(route.mirror && { mirror: destination(route.mirror) }),
    ...(route.mirrors && { mirrors: route.mirrors.map(weighted) }),
  });
  const opaque = <
    T extends {
      readonly match?: readonly { readonly gateways?: readonly string[] | undefined }[] | undefined;
      readonly route?: readonly RouteDestination[] | undefined;
    },
  >(
    route: T,
  ): T => ({
    ...route,
    ...(route.match && { match: route.match.map(matched) }),
    ...(route.route && { route: route.route.map(weighted) }),
  });
  const qualified: Spec = {
    ...spec,
    hosts: mapSame(spec.hosts, host),
    gateways: mapSame(spec.gateways, gateway),
    http: spec.http?.map(http),
    tcp: spec.tcp?.map(opaque),
    tls: spec.tls?.map(opaque),
  };
  return Object.freeze({ ...object, spec: Object.freeze(qualified) });
}

/** The gateways that a VirtualService is for; `mesh` where it names none. */
export const gatewaysOf = (object: VirtualService): readonly string[] =>
  object.spec.gateways?.length ? object.spec.gateways : ['mesh'];

/** A host that a VirtualService sends to, and on which ports; 0 among them means every port. */
export interface RouteTarget {
  readonly host: Hostname;
  readonly ports: ReadonlySet<number>;
}

/**
 * Where the routes of a (qualified) VirtualService lead, for proxies of a namespace: HTTP routes whose matches all ask for other source
 * namespaces do not count (istio: virtualServiceDestinationsFilteredBySourceNamespace).
 */
export const routeTargets = (object: VirtualService, namespace: string): readonly RouteTarget[] =>
  targetsFor(object, asksForNamespace(object) ? namespace : '');

const asksForNamespace = memo(({ spec }: VirtualService): boolean =>
  (spec.http ?? []).some(route => route.match?.some(match => match.sourceNamespace)),
);

const targetsFor: (object: VirtualService, namespace: string) => readonly RouteTarget[] = memoSaid(
  ({ spec }, namespace) => {
    const ports = new Map<Hostname, Set<number>>();
    const add = (to: Destination | undefined): void => {
      if (!to?.host) return;
      const known = ports.get(to.host);
      if (known) known.add(to.port?.number ?? 0);
      else ports.set(to.host, new Set([to.port?.number ?? 0]));
    };
    for (const route of spec.http ?? []) {
      const asked = (route.match ?? []).map(match => match.sourceNamespace).filter(Boolean);
      if (asked.length && !asked.includes(namespace)) continue;
      for (const { destination } of route.route ?? []) add(destination);
      add(route.mirror);
      for (const { destination } of route.mirrors ?? []) add(destination);
    }
    for (const route of [...(spec.tcp ?? []), ...(spec.tls ?? [])]) {
      for (const { destination } of route.route ?? []) add(destination);
    }
    return [...ports].map(([host, of]) => ({ host, ports: of })).sort((a, b) => compare(a.host, b.host));
  },
);

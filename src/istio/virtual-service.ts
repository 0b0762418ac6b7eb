import { memo } from '../memo.ts';
import type {
  Destination,
  HTTPRoute,
  RouteDestination,
  VirtualService as Spec,
} from '../proto/generated/istio/networking/v1alpha3.ts';
import type { Hostname } from '../proto/hostname.ts';
import type { VirtualService } from './config.ts';

/** What a destination is sent: HTTP requests, copies of them, or connections. */
export type Use = 'request' | 'mirror' | 'connection';

/** Told of everything that a VirtualService refers to, with its path, and gives what is to stand in its place. */
export interface ReferenceMap {
  /** Of the VirtualService itself, or of a match. */
  gateway(name: string, path: string): string;
  /** `http` is its route, where that is one of HTTP. */
  destination(to: Destination, path: string, use: Use, http?: HTTPRoute): Destination;
}

interface Matched {
  readonly match?: readonly { readonly gateways?: readonly string[] | undefined }[] | undefined;
}

/** `f` of every item; the list itself where every item stays. */
function mapSame<T>(list: readonly T[] | undefined, f: (item: T, index: number) => T): readonly T[] | undefined {
  const next = list?.map(f);
  return next?.some((item, i) => item !== list?.[i]) ? next : list;
}

/** The one walk over all that a VirtualService refers to: its spec with what `map` gives for each reference. */
export function mapReferences(spec: Spec, map: ReferenceMap): Spec {
  const gateways = (names: readonly string[] | undefined, at: string) =>
    mapSame(names, (name, i) => map.gateway(name, `${at}.gateways[${i}]`));
  const matched = <R extends Matched>(route: R, at: string): R =>
    route.match
      ? { ...route, match: mapSame(route.match, (m, i) => withGateways(m, gateways(m.gateways, `${at}.match[${i}]`))) }
      : route;
  const weighted = <T extends { readonly destination?: Destination | undefined }>(
    list: readonly T[] | undefined,
    at: string,
    use: Use,
    http?: HTTPRoute,
  ): readonly T[] | undefined =>
    list?.map((item, i) =>
      item.destination
        ? { ...item, destination: map.destination(item.destination, `${at}[${i}].destination`, use, http) }
        : item,
    );
  const opaque = <R extends Matched & { readonly route?: readonly RouteDestination[] | undefined }>(
    route: R,
    at: string,
  ): R => ({
    ...matched(route, at),
    ...(route.route && { route: weighted(route.route, `${at}.route`, 'connection') }),
  });
  return {
    ...spec,
    gateways: gateways(spec.gateways, 'spec'),
    http: spec.http?.map((route, i) => {
      const at = `spec.http[${i}]`;
      return {
        ...matched(route, at),
        ...(route.route && { route: weighted(route.route, `${at}.route`, 'request', route) }),
        ...(route.mirror && { mirror: map.destination(route.mirror, `${at}.mirror`, 'mirror', route) }),
        ...(route.mirrors && { mirrors: weighted(route.mirrors, `${at}.mirrors`, 'mirror', route) }),
      };
    }),
    tls: spec.tls?.map((route, i) => opaque(route, `spec.tls[${i}]`)),
    tcp: spec.tcp?.map((route, i) => opaque(route, `spec.tcp[${i}]`)),
  };
}

const withGateways = <M extends { readonly gateways?: readonly string[] | undefined }>(
  match: M,
  gateways: readonly string[] | undefined,
): M => (gateways === match.gateways ? match : { ...match, gateways });

/** A destination of a VirtualService that names a host. */
export interface DestinationReference {
  readonly path: string;
  readonly to: Destination;
  readonly host: Hostname;
  readonly use: Use;
  readonly http: HTTPRoute | undefined;
}

/** A Gateway that a VirtualService names; `mesh` is none. */
export interface GatewayReference {
  readonly path: string;
  readonly name: string;
}

/** All that a VirtualService refers to, in the order in which it says so: HTTP, TLS, TCP. */
export const referencesOf = memo(({ spec }: VirtualService) => {
  const destinations: DestinationReference[] = [];
  const gateways: GatewayReference[] = [];
  mapReferences(spec, {
    gateway: (name, path) => {
      if (name !== 'mesh') gateways.push({ path, name });
      return name;
    },
    destination: (to, path, use, http) => {
      if (to.host) destinations.push({ path, to, host: to.host, use, http });
      return to;
    },
  });
  return Object.freeze({ destinations, gateways }) as {
    readonly destinations: readonly DestinationReference[];
    readonly gateways: readonly GatewayReference[];
  };
});

const hostsIn = (destinations: readonly DestinationReference[]): readonly Hostname[] => [
  ...new Set(destinations.map(({ host }) => host)),
];

/** The hosts that it sends to, each once. */
export const destinationHosts = memo((object: VirtualService): readonly Hostname[] =>
  hostsIn(referencesOf(object).destinations),
);

/** Those of its HTTP routes. */
export const httpDestinationHosts = memo((object: VirtualService): readonly Hostname[] =>
  hostsIn(referencesOf(object).destinations.filter(({ use }) => use !== 'connection')),
);

/** Those of its TLS and TCP routes. */
export const opaqueDestinationHosts = memo((object: VirtualService): readonly Hostname[] =>
  hostsIn(referencesOf(object).destinations.filter(({ use }) => use === 'connection')),
);

/** The gateways that a VirtualService is for; `mesh` where it names none. */
export const gatewaysOf = ({ spec }: VirtualService): readonly string[] =>
  spec.gateways?.length ? spec.gateways : ['mesh'];

import type { VirtualService } from '../../../istio/config.ts';
import { wildcards } from '../../../istio/ip-families.ts';
import { memo } from '../../../memo.ts';
import type { EndpointIndex } from '../../../model/endpoints/endpoint.ts';
import { endpointsKey } from '../../../model/endpoints/endpoint.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import type { EgressListener, Scope } from '../../../model/scope/scope.ts';
import { TrafficDirection } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { Filter, FilterChain, Listener } from '../../../proto/generated/envoy/config/listener/v3.ts';
import { bool, seconds } from '../../../proto/wellknown.ts';
import { HTTP_INSPECTOR, SNI_DYNAMIC_FORWARD_PROXY, TLS_INSPECTOR } from '../../filters/well-known.ts';
import { listenerName } from '../../names.ts';
import type { ListenerResource, Translated } from '../../resource.ts';
import type { NamedRoutes } from '../../routes/outbound.ts';
import { additionalAddresses, listenAddress } from '../chains/address.ts';
import {
  type ChainOverlap,
  type ChainOwner,
  distinctChains,
  type OwnedChain,
  overlapProblems,
} from '../chains/distinct-chains.ts';
import { type ChainSpec, chainMatch, filterChain, matchesAll } from '../chains/filter-chain.ts';
import type { HttpContext } from '../chains/http-connection-manager.ts';
import { type L4Input, type L4Scope, l4Input, l4VirtualServices, routeSources } from '../chains/l4-routes.ts';
import { connectionBalance, listenerResource, ONE_AT_A_TIME } from '../chains/listener.ts';
import type { TcpContext } from '../chains/network-filters.ts';
import { listenerProtocol } from './conflict.ts';
import { HTTP_PROXY_ROUTES, httpProxyPort, outboundHttpChain, outboundRouteName } from './http.ts';
import { type Contribution, headlessServices, outboundPlan, type PlannedListener, type Step } from './plan.ts';
import { outboundTcpChains } from './tcp.ts';

/** What the outbound listeners of a proxy have in common. */
export interface OutboundContext {
  readonly tcp: TcpContext;
  readonly http: HttpContext;
  /** The filters of connections that no chain of a listener takes. */
  readonly catchAll: readonly Filter[];
}

function chainsOf(
  tcp: TcpContext,
  http: HttpContext | undefined,
  contribution: Contribution,
  input: L4Input,
): readonly OwnedChain[] {
  const { service, port, binds, address, cidrs } = contribution;
  const [bind = ''] = binds;
  const [wildcard] = wildcards(tcp.traits);
  const kind = listenerProtocol(port.protocol);
  const tcpChains = kind === 'http' ? [] : outboundTcpChains(tcp, { service, port, bind, address, cidrs }, input);
  if (kind === 'tcp' || !http) return tcpChains;
  const sniffed = port.protocol !== 'HTTP_PROXY' && (kind === 'auto' || bind === wildcard);
  const chain = outboundHttpChain(http, service, port, bind, { wildcard, sniffed });
  return [...tcpChains, { chain, owner: { object: service.source, path: '' } }];
}

const needsTlsInspector = (chain: ChainSpec): boolean =>
  chain.sniHosts.length > 0 || chain.filters.some(f => f.name === SNI_DYNAMIC_FORWARD_PROXY);

/** The part of an outbound listener that its chains decide (istio: buildListenerFromEntry). */
function chained(
  chains: readonly ChainSpec[],
  catchAll: readonly Filter[],
): Pick<Listener, 'filter_chains' | 'default_filter_chain'> {
  let fallback: FilterChain | undefined;
  const matching: FilterChain[] = [];
  for (const chain of chains) {
    if (matchesAll(chain)) fallback = filterChain(chain, undefined);
    else matching.push(filterChain(chain, chainMatch(chain)));
  }
  if (fallback && matching.length === 0) return { filter_chains: [fallback] };
  return {
    filter_chains: matching,
    // A connection that fits no chain goes where it would have gone without the listener.
    default_filter_chain: fallback ?? { filter_chain_match: {}, filters: catchAll, name: 'PassthroughFilterChain' },
  };
}

/** An outbound listener of some chains. Without `bindToPort` it only waits for what the virtual listener hands on. */
export function outboundListener(
  { mesh, traits }: Pick<TcpContext, 'mesh' | 'traits'>,
  place: { readonly binds: readonly string[]; readonly port: number; readonly bindToPort: boolean },
  chains: readonly ChainSpec[],
  catchAll: readonly Filter[],
): Listener {
  const [bind = '', ...extra] = place.binds;
  const tls = chains.some(needsTlsInspector);
  const sniffs = chains.some(c => c.applicationProtocols.length > 0);
  return {
    name: listenerName(bind, place.port),
    address: listenAddress(bind, place.port),
    additional_addresses: additionalAddresses(extra, place.port),
    ...chained(chains, catchAll),
    listener_filters: [...(tls ? [TLS_INSPECTOR] : []), ...(sniffs ? [HTTP_INSPECTOR] : [])],
    listener_filters_timeout: sniffs ? mesh.config.protocolDetectionTimeout : seconds(0),
    continue_on_listener_filters_timeout: true,
    traffic_direction: TrafficDirection.OUTBOUND,
    connection_balance_config: connectionBalance(traits, 'OUTBOUND'),
    ...(place.bindToPort
      ? { max_connections_to_accept_per_socket_event: ONE_AT_A_TIME }
      : { bind_to_port: bool(false) }),
  };
}

/** A listener, and what of its parts others have already. */
interface PlannedMessage {
  readonly message: Listener;
  readonly overlaps: readonly ChainOverlap[];
}

const plannedMessage = memo(
  (
    tcp: TcpContext,
    catchAll: readonly Filter[],
    http: HttpContext | undefined,
    ...parts: readonly (Contribution | L4Input)[]
  ): PlannedMessage => {
    const given: OwnedChain[] = [];
    let first: Contribution | undefined;
    let previous: Contribution | undefined;
    for (const part of parts) {
      if ('service' in part) {
        previous = part;
        first ??= part;
        continue;
      }
      if (previous) given.push(...chainsOf(tcp, http, previous, part));
    }
    if (!first) throw new Error('a listener without a contribution');
    const { binds, port, bindToPort } = first;
    const { chains, overlaps } = distinctChains(given);
    const place = { binds, port: port.port, bindToPort };
    return Object.freeze({ message: outboundListener(tcp, place, chains, catchAll), overlaps });
  },
);

const NO_ROUTES: L4Input = Object.freeze({ rule: undefined, routes: [] });

const isHttpOnly = (step: Step): boolean => listenerProtocol(step.contribution.port.protocol) === 'http';

/** The chains of HTTP read nothing but the context; those of TCP also the Service's rule and VirtualServices. */
const inputOf = (step: Step, scope: L4Scope, routes: readonly (readonly VirtualService[])[]): L4Input =>
  isHttpOnly(step) ? NO_ROUTES : l4Input(step.contribution.service, routes[step.egress] ?? [], scope);

function sourcesOf(steps: readonly Step[], inputs: readonly L4Input[]): ListenerResource['sources'] {
  const keys = new Set(steps.map(s => s.contribution.service.source));
  for (const { rule, routes } of inputs) {
    for (const key of rule?.sources ?? []) keys.add(key);
    for (const route of routes) for (const key of routeSources(route)) keys.add(key);
  }
  return [...keys];
}

interface Planned {
  readonly listener: ListenerResource;
  readonly overlaps: readonly ChainOverlap[];
}

function plannedResource(
  context: OutboundContext,
  scope: L4Scope,
  routes: readonly (readonly VirtualService[])[],
  { steps, refused }: PlannedListener,
): Planned {
  const inputs = steps.map(step => inputOf(step, scope, routes));
  const tcpOnly = steps.every(s => listenerProtocol(s.contribution.port.protocol) === 'tcp');
  const parts = steps.flatMap((step, i) => [step.contribution, inputs[i] ?? NO_ROUTES]);
  const http = tcpOnly ? undefined : context.http;
  const { message, overlaps } = plannedMessage(context.tcp, context.catchAll, http, ...parts);
  const [first] = steps;
  return {
    listener: listenerResource(message, ...sourcesOf(steps, inputs)),
    overlaps: first && refused.length > 0 ? [...overlaps, ...refusals(first.contribution, refused)] : overlaps,
  };
}

/** Services that a listener has no place for lose all that they ask for to its first one. */
function refusals(holder: Contribution, refused: readonly Contribution[]): readonly ChainOverlap[] {
  const ownerOf = ({ service }: Contribution): ChainOwner => ({ object: service.source, path: '' });
  return refused
    .filter(({ service }) => service !== holder.service)
    .map(one => ({ owner: ownerOf(one), holder: ownerOf(holder), lost: [] }));
}

const plannedResources = memo(
  (
    plan: readonly PlannedListener[],
    tcp: TcpContext,
    http: HttpContext,
    catchAll: readonly Filter[],
    serviceByHost: L4Scope['serviceByHost'],
    destinationRules: L4Scope['destinationRules'],
    ...routes: readonly (readonly VirtualService[])[]
  ): Translated<Listener> => {
    const context = { tcp, http, catchAll };
    const planned = plan.map(p => plannedResource(context, { serviceByHost, destinationRules }, routes, p));
    const overlapping = planned.filter(({ overlaps }) => overlaps.length > 0);
    return {
      resources: planned.map(({ listener }) => listener),
      problems: overlapProblems(overlapping.map(({ listener, overlaps }) => ({ listener: listener.name, overlaps }))),
    };
  },
);

function planOf(
  scope: Scope,
  traits: Traits,
  endpoints: EndpointIndex,
  ownAddresses: readonly string[],
): readonly PlannedListener[] {
  const headless = scope.egress.flatMap(e => headlessServices(e.services)).map(s => endpoints.get(endpointsKey(s)));
  return outboundPlan(scope.mesh, traits, scope.egress, ownAddresses, headless);
}

/** The listeners for connections that leave a workload, one for each address and port that something in the scope answers to. */
export const outboundListeners = memo(
  (
    scope: Scope,
    traits: Traits,
    endpoints: EndpointIndex,
    ownAddresses: readonly string[],
    { tcp, http, catchAll }: OutboundContext,
  ): Translated<Listener> => {
    const plan = planOf(scope, traits, endpoints, ownAddresses);
    const routes = scope.egress.map(e => l4VirtualServices(e.virtualServices));
    return plannedResources(plan, tcp, http, catchAll, scope.serviceByHost, scope.destinationRules, ...routes);
  },
);

type PlannedRoutes = Omit<NamedRoutes, 'egress'> & { readonly egress: number };

const plannedRoutes = memo((plan: readonly PlannedListener[], wildcard: string): readonly PlannedRoutes[] => {
  const named = new Map<string, PlannedRoutes>();
  for (const { contribution, egress } of plan.flatMap(planned => planned.steps)) {
    const { service, port, binds } = contribution;
    if (listenerProtocol(port.protocol) === 'tcp') continue;
    const name = outboundRouteName(service, port, binds[0] ?? '', wildcard);
    if (named.has(name)) continue;
    const proxies = port.protocol === 'HTTP_PROXY';
    const alone = name === `${service.hostname}:${port.port}` ? service : undefined;
    named.set(name, { name, port: proxies ? 0 : port.port, egress, alone });
  }
  return [...named.values()];
});

const namedRoutes = memo(
  (planned: readonly PlannedRoutes[], egress: readonly EgressListener[], proxies: boolean): readonly NamedRoutes[] => {
    const named = planned.flatMap(routes => {
      const listener = egress[routes.egress];
      return listener ? [{ ...routes, egress: listener }] : [];
    });
    const everything = egress.find(listener => !listener.port);
    return proxies && everything
      ? [...named, { name: HTTP_PROXY_ROUTES, port: 0, egress: everything, alone: undefined }]
      : named;
  },
);

/** The route configurations that a scope's outbound listeners name over RDS. */
export const outboundRouteNames = memo(
  (scope: Scope, traits: Traits, endpoints: EndpointIndex, ownAddresses: readonly string[]): readonly NamedRoutes[] => {
    const plan = planOf(scope, traits, endpoints, ownAddresses);
    const proxies = httpProxyPort(scope.mesh, traits) > 0;
    return namedRoutes(plannedRoutes(plan, wildcards(traits)[0]), scope.egress, proxies);
  },
);

import { wildcards } from '../../../istio/ip-families.ts';
import { isTls } from '../../../istio/protocol.ts';
import type { Traits } from '../../../model/proxy/traits.ts';
import type { Service, ServicePort } from '../../../model/services/service.ts';
import { outboundStatName } from '../../clusters/stat-name.ts';
import { configMetadata } from '../../config-metadata.ts';
import { isDynamicForwardProxy } from '../../destinations/cluster-targets.ts';
import { outboundClusterName } from '../../names.ts';
import { alternateNames } from '../../routes/domains.ts';
import { appliesTo } from '../../routes/match.ts';
import type { OwnedChain } from '../chains/distinct-chains.ts';
import { type ChainSpec, chainSpec } from '../chains/filter-chain.ts';
import { type L4Input, ownedByRoute, routeFilters } from '../chains/l4-routes.ts';
import { isWithinMesh, networkFilters, type TcpContext } from '../chains/network-filters.ts';

/** Where the TCP chains of a Service port stand. */
export interface TcpPlace {
  readonly service: Service;
  /** The listener's port: the Service's, or the one that a Sidecar's egress listener names. */
  readonly port: ServicePort;
  readonly bind: string;
  /** The address of the Service that this place stands for; a ServiceEntry can have several. Empty where it has none. */
  readonly address: string;
  readonly cidrs: readonly string[];
}

/** The chain of a Service that no VirtualService routes: straight to its cluster. */
function serviceChain(
  context: TcpContext,
  { service, port, cidrs }: TcpPlace,
  { rule }: L4Input,
  sniHosts: readonly string[],
): ChainSpec {
  // A Sidecar may open a Service on another port: the Service's own one is meant where it has no other.
  const [only, ...others] = service.ports;
  const number = only && others.length === 0 ? only.port : port.port;
  const cluster = outboundClusterName(service.hostname, number);
  const filters = networkFilters(context, {
    statPrefix: outboundStatName(context.mesh, service, { port: number, name: '' }, '', cluster),
    clusters: [{ name: cluster }],
    subset: '',
    port: number,
    protocol: port.protocol,
    rule,
    withinMesh: isWithinMesh(service, rule, '', number),
    dynamic: isDynamicForwardProxy(service) ? { service, port: port.port } : undefined,
  });
  return chainSpec({ sniHosts, cidrs, filters });
}

/** SNI is needed only where the address does not tell which Service is meant. */
function sniOf(place: TcpPlace, traits: Traits): readonly string[] {
  const { service, bind, cidrs, address } = place;
  const isShared = cidrs.length > 0 || address.includes('/') || (address === '' && bind === wildcards(traits)[0]);
  if (!isShared && !isDynamicForwardProxy(service)) return [];
  const names = service.aliases.flatMap(({ hostname }) => [
    hostname,
    ...alternateNames(hostname, { dnsDomain: traits.dnsDomain, port: undefined }),
  ]);
  return [service.hostname, ...names];
}

const ofService = (place: TcpPlace, chain: ChainSpec): OwnedChain => ({
  chain,
  owner: { object: place.service.source, path: '' },
});

/** Chains by SNI of a TLS port (istio: buildSidecarOutboundTLSFilterChainOpts). */
function tlsChains(context: TcpContext, place: TcpPlace, input: L4Input): readonly OwnedChain[] {
  const { port } = place;
  const chains: OwnedChain[] = [];
  let { cidrs } = place;
  for (const route of input.routes) {
    for (const [index, tls] of (route.virtualService.spec.tls ?? []).entries()) {
      if (!tls.route?.length) continue;
      for (const [at, match] of (tls.match ?? []).entries()) {
        if (!appliesTo(match, 'mesh', port.port)) continue;
        const subnets = match.destinationSubnets ?? [];
        if (subnets.length > 0 && port.port > 0) cidrs = subnets;
        chains.push(
          ownedByRoute(
            route,
            `spec.tls[${index}].match[${at}].sniHosts`,
            chainSpec({
              sniHosts: match.sniHosts ?? [],
              cidrs,
              metadata: configMetadata(route.virtualService.meta, 'VirtualService'),
              filters: routeFilters(context, route, tls.route, port),
            }),
          ),
        );
      }
    }
  }
  if (chains.length > 0) return chains;
  return [ofService(place, serviceChain(context, place, input, sniOf(place, context.traits)))];
}

/** Chains by destination subnet of a TCP port (istio: buildSidecarOutboundTCPFilterChainOpts). */
function plainChains(context: TcpContext, place: TcpPlace, input: L4Input): readonly OwnedChain[] {
  const { port, cidrs } = place;
  const chains: OwnedChain[] = [];
  let isTaken = false;
  let hasDefault = false;
  for (const route of input.routes) {
    for (const [index, tcp] of (route.virtualService.spec.tcp ?? []).entries()) {
      if (!tcp.route?.length) continue;
      const filters = () => routeFilters(context, route, tcp.route ?? [], port);
      const matches = tcp.match ?? [];
      const applying = matches.filter(m => appliesTo(m, 'mesh', port.port));
      if (matches.length === 0 || applying.some(m => !m.destinationSubnets?.length || port.port === 0)) {
        const metadata = configMetadata(route.virtualService.meta, 'VirtualService');
        chains.push(ownedByRoute(route, `spec.tcp[${index}]`, chainSpec({ cidrs, metadata, filters: filters() })));
        isTaken = true;
        continue;
      }
      const subnets = applying.flatMap(m => m.destinationSubnets ?? []).sort();
      // Nothing gets past a route that takes every connection.
      if (subnets.length === 0 || isTaken) continue;
      const chain = chainSpec({ cidrs: subnets, filters: filters() });
      chains.push(ownedByRoute(route, `spec.tcp[${index}].match`, chain));
      // The Service's own chain must not repeat the condition.
      if (subnets.join(' ') === [...cidrs].sort().join(' ')) hasDefault = true;
    }
  }
  return isTaken || hasDefault ? chains : [...chains, ofService(place, serviceChain(context, place, input, []))];
}

/** The TCP chains of a Service port with the VirtualServices that route it. */
export const outboundTcpChains = (context: TcpContext, place: TcpPlace, input: L4Input): readonly OwnedChain[] =>
  isTls(place.port.protocol) ? tlsChains(context, place, input) : plainChains(context, place, input);

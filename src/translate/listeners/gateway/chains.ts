import type { VirtualService } from '../../../istio/config.ts';
import { covers } from '../../../istio/hosts.ts';
import type { Protocol } from '../../../istio/protocol.ts';
import { memo, oneList } from '../../../memo.ts';
import type { EffectiveDestinationRule } from '../../../model/routing/destination-rules.ts';
import { type GatewayServer, passesThrough, sniHosts } from '../../../model/routing/merged-gateway.ts';
import type { Scope } from '../../../model/scope/scope.ts';
import type { Service, ServicePort } from '../../../model/services/service.ts';
import type { TransportSocket } from '../../../proto/generated/envoy/config/core/v3.ts';
import { HttpConnectionManager_ForwardClientCertDetails as Forward } from '../../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import { ServerTLSSettings_TLSmode as Mode, type Server } from '../../../proto/generated/istio/networking/v1alpha3.ts';
import { bool } from '../../../proto/wellknown.ts';
import { outboundStatName } from '../../clusters/stat-name.ts';
import { outboundSni } from '../../names.ts';
import { forwardClientCertDetails, proxyConfigOf } from '../../proxy-config.ts';
import { commonHosts, virtualServicesOf } from '../../routes/gateway.ts';
import { appliesTo, type RouteCondition } from '../../routes/match.ts';
import type { OwnedChain } from '../chains/distinct-chains.ts';
import { type ChainSpec, chainSpec, MTLS_ALPN } from '../chains/filter-chain.ts';
import { type HttpContext, httpConnectionManagerFilter } from '../chains/http-connection-manager.ts';
import { type L4Route, l4Route, l4VirtualServices, ownedByRoute, routeFilters } from '../chains/l4-routes.ts';
import { networkFilters, type TcpContext } from '../chains/network-filters.ts';
import { serverTlsSocket } from './server-tls.ts';

const tlsOf = (
  server: Server,
  context: Pick<TcpContext, 'mesh' | 'traits'>,
  tcp: boolean,
): TransportSocket | undefined =>
  server.tls && !passesThrough(server) ? serverTlsSocket(context.mesh, server.tls, context.traits, tcp) : undefined;

/** What only a gateway's connection manager sets: it is the edge, so it knows the client (istio: buildGatewayConnectionManager). */
const edgeOptions = memo((context: HttpContext) => {
  const topology = proxyConfigOf(context.mesh, context.traits).gatewayTopology;
  const asked = topology?.forwardClientCertDetails;
  const forward = asked ? forwardClientCertDetails(asked) : Forward.SANITIZE_SET;
  const tells = forward === Forward.APPEND_FORWARD || forward === Forward.SANITIZE_SET;
  return {
    http_protocol_options: {},
    xff_num_trusted_hops: topology?.numTrustedProxies,
    forward_client_cert_details: forward,
    set_current_client_cert_details: tells ? { subject: bool(true), cert: true, dns: true, uri: true } : undefined,
  };
});

/** The chain of plain HTTP on a port, for all servers that share its routes. */
export const plainHttpChain = memo(
  (context: HttpContext, listener: string, routeName: string, protocol: Protocol): ChainSpec =>
    chainSpec({
      filters: [
        httpConnectionManagerFilter(context, {
          statPrefix: `outbound_${listener};`,
          routes: routeName,
          grpcWeb: protocol === 'GRPCWeb',
          useRemoteAddress: true,
          base: edgeOptions(context),
        }),
      ],
    }),
);

/** The chain of an HTTPS server that ends TLS here. */
export const httpsChain = memo(
  (context: HttpContext, server: Server, hosts: readonly string[], listener: string, routeName: string): ChainSpec =>
    chainSpec({
      sniHosts: sniHosts(hosts),
      tls: tlsOf(server, context, false),
      filters: [
        httpConnectionManagerFilter(context, {
          statPrefix: server.name || `outbound_${listener};`,
          routes: routeName,
          useRemoteAddress: true,
          base: edgeOptions(context),
        }),
      ],
    }),
);

const isFor = ({ gatewayName, server }: GatewayServer, match: RouteCondition): boolean =>
  appliesTo(match, gatewayName, server.port?.number);

/** The port of a server as the ports of Services are. */
const portOf = ({ port }: Server, protocol: Protocol) => ({
  name: port?.name ?? '',
  port: port?.number ?? 0,
  protocol,
});

/** The VirtualServices of a server that speak of TCP, with what their destinations are. */
const l4RoutesOf = (server: GatewayServer, scope: Scope): readonly L4Route[] =>
  virtualServicesOf(server, l4VirtualServices(server.virtualServices))
    .filter(v => commonHosts(server, v).length > 0)
    .map(v => l4Route(v, scope));

/** A chain by its place in VirtualServices, so that it is made again only with what it is made from. */
const tcpRouteChain = memo(
  (
    context: TcpContext,
    route: L4Route,
    server: Server,
    hosts: readonly string[],
    index: number,
    protocol: Protocol,
  ): ChainSpec =>
    chainSpec({
      sniHosts: server.tls ? sniHosts(hosts) : [],
      tls: tlsOf(server, context, protocol !== 'HTTPS'),
      filters: routeFilters(
        context,
        route,
        route.virtualService.spec.tcp?.[index]?.route ?? [],
        portOf(server, protocol),
        server.tls?.mode === Mode.ISTIO_MUTUAL,
      ),
    }),
);

/**
 * The chains of a TCP server, or of TLS that ends here: of each VirtualService the first TCP route that applies. All ask for the same
 * connections, which the first of them gets (istio: buildGatewayNetworkFiltersFromTCPRoutes).
 */
export const tcpChains = (context: TcpContext, server: GatewayServer, scope: Scope): readonly OwnedChain[] =>
  l4RoutesOf(server, scope).flatMap(route => {
    const index = (route.virtualService.spec.tcp ?? []).findIndex(
      tcp => tcp.route?.length && (!tcp.match?.length || tcp.match.some(m => isFor(server, m))),
    );
    if (index < 0) return [];
    const chain = tcpRouteChain(context, route, server.server, oneList(server.hosts), index, server.protocol);
    return [ownedByRoute(route, `spec.tcp[${index}]`, chain)];
  });

const tlsRouteChain = memo(
  (context: TcpContext, route: L4Route, server: Server, index: number, matchIndex: number, protocol: Protocol) => {
    const tls = route.virtualService.spec.tls?.[index];
    return chainSpec({
      sniHosts: tls?.match?.[matchIndex]?.sniHosts ?? [],
      filters: routeFilters(context, route, tls?.route ?? [], portOf(server, protocol)),
    });
  },
);

/**
 * The chains of a server that hands TLS on by SNI (istio: buildGatewayNetworkFiltersFromTLSRoutes). `told` are the VirtualServices that have
 * theirs, by Gateway and port: another server would have the very same for them, which the first one gets.
 */
export function passThroughChains(
  context: TcpContext,
  server: GatewayServer,
  scope: Scope,
  told: Set<string>,
): readonly OwnedChain[] {
  const chains: OwnedChain[] = [];
  const keyOf = ({ meta }: VirtualService): string => `${server.gatewayName} ${server.server.port?.number} ${meta.key}`;
  for (const virtualService of virtualServicesOf(server, l4VirtualServices(server.virtualServices))) {
    if (told.has(keyOf(virtualService)) || !commonHosts(server, virtualService).length) continue;
    told.add(keyOf(virtualService));
    const route = l4Route(virtualService, scope);
    for (const [index, tls] of (route.virtualService.spec.tls ?? []).entries()) {
      if (!tls.route?.length) continue;
      for (const [matchIndex, match] of (tls.match ?? []).entries()) {
        if (!isFor(server, match)) continue;
        const chain = tlsRouteChain(context, route, server.server, index, matchIndex, server.protocol);
        chains.push(ownedByRoute(route, `spec.tls[${index}].match[${matchIndex}].sniHosts`, chain));
      }
    }
  }
  return chains;
}

/** The chains of one Service port for clients of other networks: by the SNI that they make from the cluster's name. */
const sniChains = memo(
  (
    context: TcpContext,
    service: Service,
    port: ServicePort,
    rule: EffectiveDestinationRule | undefined,
  ): readonly ChainSpec[] =>
    ['', ...(rule?.rule.spec.subsets ?? []).map(s => s.name ?? '')].map(subset => {
      const cluster = outboundSni(service.hostname, port.port, subset);
      return chainSpec({
        sniHosts: [cluster],
        // Only mutual TLS of the mesh gets through, so that nothing is reached without it.
        applicationProtocols: MTLS_ALPN,
        filters: networkFilters(context, {
          statPrefix: outboundStatName(context.mesh, service, port, subset, cluster),
          clusters: [{ name: cluster }],
          subset,
          port: port.port,
          protocol: port.protocol,
          rule,
          withoutTunnel: true,
        }),
      });
    }),
);

/** The chains of a server with AUTO_PASSTHROUGH: one for every Service port and subset of its hosts (istio: builtAutoPassthroughFilterChains). */
export function autoPassThroughChains(context: TcpContext, server: GatewayServer, scope: Scope): readonly ChainSpec[] {
  const hosts = sniHosts(server.hosts);
  return scope.services
    .filter(s => !s.meshExternal && hosts.some(host => covers(host, s.hostname)))
    .flatMap(service =>
      service.ports
        .filter(p => p.protocol !== 'UDP')
        .flatMap(port => sniChains(context, service, port, scope.destinationRules.get(service.hostname))),
    );
}

/** Whether a server hands on every connection of the mesh by itself. */
export const isAutoPassThrough = (server: GatewayServer): boolean => server.server.tls?.mode === Mode.AUTO_PASSTHROUGH;

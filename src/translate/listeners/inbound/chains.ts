import type { Protocol } from '../../../istio/protocol.ts';
import { isHttp2 } from '../../../istio/protocol.ts';
import { memo } from '../../../memo.ts';
import type { Metadata, TransportSocket } from '../../../proto/generated/envoy/config/core/v3.ts';
import type { Filter, FilterChain } from '../../../proto/generated/envoy/config/listener/v3.ts';
import type { RouteConfiguration } from '../../../proto/generated/envoy/config/route/v3.ts';
import { bool, seconds, uint32 } from '../../../proto/wellknown.ts';
import { inboundStatName, type StatService } from '../../clusters/stat-name.ts';
import { tcpMetadataExchange } from '../../filters/istio-build.ts';
import { INBOUND_PASSTHROUGH_CLUSTER, listenerName, VIRTUAL_INBOUND_LISTENER } from '../../names.ts';
import { proxyHeaders } from '../../proxy-config.ts';
import { type HttpContext, httpConnectionManagerFilter } from '../chains/http-connection-manager.ts';
import { networkFilters, type TcpContext } from '../chains/network-filters.ts';
import type { InboundMatch } from './match.ts';

/** A port of a workload as its inbound chains need it; a Sidecar's own has `name.namespace` of the Sidecar for a host (istio: inboundChainConfig). */
export interface InboundPort extends StatService {
  readonly cluster: string;
  /** The port that connections arrive at; 0 for the chains that take every other port. */
  readonly targetPort: number;
  /** The Service's port and what it is called, for spans and statistics. */
  readonly port: number;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly bind: string;
  readonly passthrough: boolean;
  readonly metadata: Metadata | undefined;
}

/** What the inbound listeners of a workload have in common. */
export interface InboundContext {
  readonly tcp: TcpContext;
  readonly http: HttpContext;
}

/** The chain's name, which its statistics carry too. */
const chainName = (port: InboundPort, as: InboundMatch['as']): string => {
  if (!port.passthrough) return listenerName(port.bind, port.targetPort);
  return as === 'http' ? 'virtualInbound-catchall-http' : VIRTUAL_INBOUND_LISTENER;
};

/** The one route of an inbound port: to the application, without timeouts (istio: buildSidecarInboundHTTPRouteConfig). */
function inboundRoutes(port: InboundPort): RouteConfiguration {
  const grpc = port.protocol === 'GRPC' || port.protocol === 'GRPCWeb';
  return {
    name: port.cluster,
    virtual_hosts: [
      {
        name: `inbound|http|${port.port}`,
        domains: ['*'],
        routes: [
          {
            name: 'default',
            match: { prefix: '/' },
            route: {
              cluster: port.cluster,
              timeout: seconds(0),
              max_stream_duration: { max_stream_duration: seconds(0), grpc_timeout_header_max: seconds(0) },
              // A stream that the application resets before it has read the request is safe to send again, but not one of gRPC.
              retry_policy: grpc ? undefined : { retry_on: 'reset-before-request', num_retries: uint32(2) },
            },
            decorator: { operation: `${port.hostname}:${port.port}/*` },
          },
        ],
      },
    ],
    validate_clusters: bool(false),
  };
}

const httpFilters = memo((context: HttpContext, port: InboundPort): readonly Filter[] => {
  const headers = proxyHeaders(context.mesh, context.traits, 'inbound');
  const { certDetails } = headers;
  return [
    ...tcpMetadataExchange(context.traits.build),
    httpConnectionManagerFilter(context, {
      statPrefix: port.passthrough ? `${port.cluster};` : `inbound_${chainName(port, 'http')};`,
      routes: inboundRoutes(port),
      grpcWeb: port.protocol === 'GRPCWeb',
      base: {
        forward_client_cert_details: headers.forwardClientCert,
        set_current_client_cert_details: {
          subject: bool(certDetails?.subject?.value ?? certDetails?.subject === undefined),
          uri: certDetails?.uri?.value ?? certDetails?.uri === undefined,
          dns: certDetails?.dns?.value ?? certDetails?.dns === undefined,
          cert: certDetails?.cert?.value ?? false,
          chain: certDetails?.chain?.value ?? false,
        },
        http2_protocol_options: isHttp2(port.protocol) ? {} : undefined,
      },
    }),
  ];
});

const tcpFilters = memo((context: TcpContext, port: InboundPort): readonly Filter[] => {
  const called = { port: port.port, name: port.portName };
  const statPrefix = inboundStatName(context.mesh, port, called, port.targetPort, port.cluster);
  return networkFilters(context, {
    statPrefix,
    clusters: [{ name: port.cluster }],
    subset: '',
    protocol: port.protocol,
    rule: undefined,
    exchangesMetadata: true,
  });
});

/** The chains of a port, one for each match. */
export const inboundChains = memo(
  (
    context: InboundContext,
    port: InboundPort,
    matches: readonly InboundMatch[],
    tls: { readonly http: TransportSocket; readonly tcp: TransportSocket },
  ): readonly FilterChain[] =>
    matches.map(match => ({
      filter_chain_match: {
        destination_port: port.targetPort > 0 ? uint32(port.targetPort) : undefined,
        transport_protocol: match.transport,
        application_protocols: match.alpn,
      },
      filters: match.as === 'http' ? httpFilters(context.http, port) : tcpFilters(context.tcp, port),
      transport_socket: match.endsTls ? tls[match.as] : undefined,
      name: chainName(port, match.as),
      metadata: port.metadata,
    })),
);

/** The chains' port for connections to ports that no Service names. */
export const passthroughPort = memo(
  (targetPort: number): InboundPort =>
    Object.freeze({
      cluster: INBOUND_PASSTHROUGH_CLUSTER,
      targetPort,
      port: 0,
      portName: VIRTUAL_INBOUND_LISTENER,
      protocol: 'Unsupported',
      bind: '',
      hostname: '',
      kubernetes: undefined,
      passthrough: true,
      metadata: undefined,
    }),
);

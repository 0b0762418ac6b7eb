import { isDeepStrictEqual } from 'node:util';
import { typeName, unpackAs } from '../../src/proto/any.ts';
import type { Cluster } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import { ProxyProtocolConfig_Version, type TransportSocket } from '../../src/proto/generated/envoy/config/core/v3.ts';
import type { LbEndpoint } from '../../src/proto/generated/envoy/config/endpoint/v3.ts';
import type { CommonTlsContext } from '../../src/proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import { fromStruct } from '../../src/proto/wellknown.ts';
import type { Messages } from '../support/translation.ts';
import type { Call } from './call.ts';
import { assigned, priorities } from './cluster.ts';
import { httpOptionsOf } from './connection-pool.ts';
import { enumName } from './enum-name.ts';
import { written } from './match.ts';
import { tlsVersion } from './tls-version.ts';

/** What a proxy says to an endpoint before the first byte of the call; absent where it says nothing, or not to every endpoint the same. */
export interface UpstreamTransport {
  readonly upstreamTls?: UpstreamTls;
  /** Version of the PROXY protocol's header. */
  readonly proxyProtocol?: string;
}

/** TLS as a proxy begins it. */
export interface UpstreamTls {
  readonly sni?: string;
  readonly alpn?: readonly string[];
  /** Who the server has to be; anyone whose certificate is trusted where absent. */
  readonly subjectAltNames?: readonly string[];
  /** The secret with the client's certificate; absent where it shows none. */
  readonly certificate?: string;
  /** The secret with the authorities that are trusted; absent where anyone is. */
  readonly authorities?: string;
  /** The oldest version; Envoy's own where absent. */
  readonly minimum?: string;
}

const TLS = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const PROXY_PROTOCOL = 'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';
const ORIGINAL_DST = 4;

const hostOf = (call: Call): string => (call.host ?? call.address).replace(/:\d+$/, '');

function validation(common: CommonTlsContext | undefined): Pick<UpstreamTls, 'subjectAltNames' | 'authorities'> {
  const combined = common?.combined_validation_context;
  const context = combined?.default_validation_context ?? common?.validation_context;
  const names = (context?.match_subject_alt_names ?? []).map(written);
  const secret = combined?.validation_context_sds_secret_config ?? common?.validation_context_sds_secret_config;
  const authorities = secret?.name ?? context?.trusted_ca?.filename;
  return { ...(names.length > 0 && { subjectAltNames: names }), ...(authorities && { authorities }) };
}

function tlsOf(socket: TransportSocket, cluster: Cluster, call: Call): UpstreamTls | undefined {
  const any = socket.typed_config;
  if (!any || typeName(any.type_url ?? '') !== TLS) return undefined;
  const { sni, common_tls_context: common } = unpackAs(TLS, any);
  // With auto_sni the request's host is the server's name, and with auto_san_validation the server has to be it.
  const auto = httpOptionsOf(cluster)?.upstream_http_protocol_options;
  const name = auto?.auto_sni ? hostOf(call) : sni;
  const minimum = tlsVersion(common?.tls_params?.tls_minimum_protocol_version);
  const certificate = common?.tls_certificate_sds_secret_configs?.[0]?.name;
  return {
    ...(name && { sni: name }),
    ...(common?.alpn_protocols && { alpn: common.alpn_protocols }),
    ...(certificate && { certificate }),
    ...(auto?.auto_san_validation && { subjectAltNames: [hostOf(call)] }),
    ...validation(common),
    ...(minimum && { minimum }),
  };
}

function transport(socket: TransportSocket | undefined, cluster: Cluster, call: Call): UpstreamTransport {
  const any = socket?.typed_config;
  if (!socket || !any) return {};
  if (typeName(any.type_url ?? '') === PROXY_PROTOCOL) {
    const { config, transport_socket } = unpackAs(PROXY_PROTOCOL, any);
    const proxyProtocol = enumName(ProxyProtocolConfig_Version, config?.version ?? 0);
    return { ...transport(transport_socket, cluster, call), proxyProtocol };
  }
  const upstreamTls = tlsOf(socket, cluster, call);
  return upstreamTls ? { upstreamTls } : {};
}

/** The socket of an endpoint: the first whose conditions its metadata meets. */
function socketFor(cluster: Cluster, endpoint: LbEndpoint | undefined): TransportSocket | undefined {
  const metadata = fromStruct(endpoint?.metadata?.filter_metadata?.['envoy.transport_socket_match'] ?? {});
  const found = cluster.transport_socket_matches?.find(({ match }) =>
    Object.entries(fromStruct(match ?? {})).every(([key, value]) => isDeepStrictEqual(metadata[key], value)),
  );
  return found ? found.transport_socket : cluster.transport_socket;
}

/** How a cluster speaks to the endpoints that get its traffic. */
export function upstreamTransportOf(messages: Messages, cluster: Cluster, call: Call): UpstreamTransport {
  const endpoints = (priorities(assigned(messages, cluster))[0] ?? []).flatMap(g => g.lb_endpoints ?? []);
  const from = cluster.type === ORIGINAL_DST ? [undefined] : endpoints;
  const [first, ...others] = from.map(endpoint => transport(socketFor(cluster, endpoint), cluster, call));
  return first && others.every(other => isDeepStrictEqual(other, first)) ? first : {};
}

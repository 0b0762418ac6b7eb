import { isDeepStrictEqual } from 'node:util';
import { typeName, unpackAs } from '../../../src/proto/any.ts';
import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import {
  ProxyProtocolConfig_Version,
  type TransportSocket,
} from '../../../src/proto/generated/envoy/config/core/v3.ts';
import type { CertificateValidationContext } from '../../../src/proto/generated/envoy/extensions/transport_sockets/tls/v3.ts';
import type { Messages } from '../../support/translation.ts';
import type { Call } from '../call.ts';
import { written } from '../match/match.ts';
import { enumName } from '../message/enum-name.ts';
import { tlsVersion } from '../message/tls-version.ts';
import { assigned, priorities } from './cluster.ts';
import { httpOptionsOf } from './connection-pool.ts';
import { transportSocketMatch } from './transport-socket.ts';

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

/** What is said to one endpoint, and the names of which its certificate must have one. */
interface Handshake extends UpstreamTransport {
  readonly names: readonly string[];
}

function namesIn(context: CertificateValidationContext | undefined): readonly string[] {
  const typedNames = (context?.match_typed_subject_alt_names ?? []).flatMap(({ matcher }) => matcher ?? []);
  return [...(context?.match_subject_alt_names ?? []), ...typedNames].map(written);
}

function tlsOf(socket: TransportSocket, cluster: Cluster, call: Call): Handshake {
  const any = socket.typed_config;
  if (!any || typeName(any.type_url ?? '') !== TLS) return { names: [] };
  const { sni, common_tls_context: common } = unpackAs(TLS, any);
  // With auto_sni the request's host is the server's name, and with auto_san_validation the server has to be it.
  const auto = httpOptionsOf(cluster)?.upstream_http_protocol_options;
  const name = auto?.auto_sni ? hostOf(call) : sni;
  const minimum = tlsVersion(common?.tls_params?.tls_minimum_protocol_version);
  const certificate = common?.tls_certificate_sds_secret_configs?.[0]?.name;
  const combined = common?.combined_validation_context;
  const context = combined?.default_validation_context ?? common?.validation_context;
  const secret = combined?.validation_context_sds_secret_config ?? common?.validation_context_sds_secret_config;
  const authorities = secret?.name ?? context?.trusted_ca?.filename;
  const names = namesIn(context);
  return {
    names: auto?.auto_san_validation && names.length === 0 ? [hostOf(call)] : names,
    upstreamTls: {
      ...(name && { sni: name }),
      ...(common?.alpn_protocols && { alpn: common.alpn_protocols }),
      ...(certificate && { certificate }),
      ...(authorities && { authorities }),
      ...(minimum && { minimum }),
    },
  };
}

function transport(socket: TransportSocket | undefined, cluster: Cluster, call: Call): Handshake {
  const any = socket?.typed_config;
  if (!socket || !any) return { names: [] };
  if (typeName(any.type_url ?? '') === PROXY_PROTOCOL) {
    const { config, transport_socket } = unpackAs(PROXY_PROTOCOL, any);
    const proxyProtocol = enumName(ProxyProtocolConfig_Version, config?.version ?? 0);
    return { ...transport(transport_socket, cluster, call), proxyProtocol };
  }
  return tlsOf(socket, cluster, call);
}

/** With each of the endpoints that get a cluster's traffic. */
function handshakes(messages: Messages, cluster: Cluster, call: Call): readonly Handshake[] {
  const endpoints = (priorities(assigned(messages, cluster))[0] ?? []).flatMap(g => g.lb_endpoints ?? []);
  const asked = cluster.type === ORIGINAL_DST ? [undefined] : endpoints;
  return asked.map(endpoint => {
    const match = transportSocketMatch(cluster, endpoint);
    return transport(match ? match.transport_socket : cluster.transport_socket, cluster, call);
  });
}

/** How a cluster speaks to the endpoints that get its traffic. */
export function upstreamTransportOf(messages: Messages, cluster: Cluster, call: Call): UpstreamTransport {
  const [first, ...others] = handshakes(messages, cluster, call).map(({ names, ...said }) => said);
  return first && others.every(other => isDeepStrictEqual(other, first)) ? first : {};
}

/** The names of which endpoints' certificates must have one; any that is trusted will do where there are none. */
export const subjectAltNamesOf = (messages: Messages, cluster: Cluster, call: Call): readonly string[] =>
  handshakes(messages, cluster, call).flatMap(({ names }) => names);

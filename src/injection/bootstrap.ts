import { isIP } from 'node:net';
import type { JsonObject } from '../unknown.ts';
import { withoutNulls } from './pod.ts';
import { statsFields } from './stats.ts';

/** A host and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** How an Envoy knows the control plane, and is known by it. */
export interface Secure {
  readonly root: { readonly filename: string } | { readonly inline_string: string };
  /** The file of its token. */
  readonly token: string;
  readonly serverName: string;
}

/** What an Envoy has to be told when it starts: who it is, and where the control plane is. */
export interface Bootstrap {
  readonly node: JsonObject;
  readonly xds: Endpoint;
  /** How it connects over TLS; in plaintext without. */
  readonly secure?: Secure | undefined;
  readonly admin: Endpoint;
  /** Settings of Envoy's runtime; null takes a default away. */
  readonly runtime?: JsonObject | undefined;
  /** Other fields. */
  readonly settings?: JsonObject | undefined;
  readonly listeners?: readonly JsonObject[] | undefined;
  readonly clusters?: readonly JsonObject[] | undefined;
}

/** An address as a URL has it: IPv6 in brackets. */
const authority = ({ host, port }: Endpoint): string => `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;

export const socketAddress = ({ host, port }: Endpoint) => ({ socket_address: { address: host, port_value: port } });

const CREDENTIALS = 'envoy.grpc_credentials.file_based_metadata';

/** Envoy's own gRPC client has no way to send a token that changes; Google's, which every build has, reads the file for each stream. */
const overTls = (xds: Endpoint, { root, token, serverName }: Secure): JsonObject => ({
  google_grpc: {
    target_uri: authority(xds),
    stat_prefix: 'xds-grpc',
    channel_credentials: { ssl_credentials: { root_certs: root } },
    call_credentials: [
      {
        from_plugin: {
          name: CREDENTIALS,
          typed_config: {
            '@type': 'type.googleapis.com/envoy.config.grpc_credential.v3.FileBasedMetadataConfig',
            secret_data: { filename: token },
            header_key: 'authorization',
            header_prefix: 'Bearer ',
          },
        },
      },
    ],
    credentials_factory_name: CREDENTIALS,
    channel_args: {
      args: {
        'grpc.ssl_target_name_override': { string_value: serverName },
        'grpc.default_authority': { string_value: serverName },
        // A large mesh is more than its 4 MB.
        'grpc.max_receive_message_length': { int_value: -1 },
        'grpc.keepalive_time_ms': { int_value: 30_000 },
        'grpc.keepalive_timeout_ms': { int_value: 10_000 },
        'grpc.max_reconnect_backoff_ms': { int_value: 5_000 },
      },
    },
  },
});

/** HTTP/2 without asking. */
export const http2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
};

const XDS = 'xds-grpc';

const inPlaintext = (xds: Endpoint): JsonObject => ({
  name: XDS,
  alt_stat_name: `${XDS};`,
  type: isIP(xds.host) ? 'STATIC' : 'STRICT_DNS',
  connect_timeout: '1s',
  typed_extension_protocol_options: http2,
  upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } },
  load_assignment: {
    cluster_name: XDS,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(xds) } }] }],
  },
});

/** A bootstrap for stock Envoy: everything but what is said here comes over ADS. */
export function bootstrapOf({
  node,
  xds,
  secure,
  admin,
  runtime,
  settings = statsFields(undefined),
  listeners,
  clusters = [],
}: Bootstrap): JsonObject {
  const all = [...(secure ? [] : [inPlaintext(xds)]), ...clusters];
  return {
    node,
    admin: { address: socketAddress(admin) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [secure ? overTls(xds, secure) : { envoy_grpc: { cluster_name: XDS } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
      lds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
    },
    layered_runtime: {
      layers: [
        // As Istio's own bootstrap has it: Envoy's default refuses regular expressions of a size that VirtualServices do have.
        { name: 'static', static_layer: withoutNulls({ 're2.max_program_size.error_level': 32768, ...runtime }) },
        { name: 'admin', admin_layer: {} },
      ],
    },
    ...settings,
    ...((listeners || all.length > 0) && {
      static_resources: { ...(listeners && { listeners }), ...(all.length > 0 && { clusters: all }) },
    }),
  };
}

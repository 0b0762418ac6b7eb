import { isIP } from 'node:net';
import { stringify } from 'yaml';
import { systemClock } from '../clock.ts';
import { type Arguments, type Io, UsageError } from '../command.ts';
import type { KubePod } from '../istio/kubernetes.ts';
import type { Locality } from '../model/endpoints/endpoint.ts';
import { nodeLocality, nowhere } from '../model/endpoints/locality.ts';
import { workloadName } from '../model/endpoints/pods.ts';
import { type Address, address, hostAndPort, peerAddress, readMeshOptions } from '../settings.ts';
import { findPod } from './pod.ts';

/** Where the Envoy finds what, and who it says it is. */
interface Bootstrap {
  readonly pod: KubePod;
  readonly type: 'sidecar' | 'router';
  readonly domain: string;
  readonly clusterId: string;
  readonly locality: Locality;
  readonly interception: string;
  readonly xds: Address;
  /** How it connects over TLS; in plaintext without. */
  readonly secure?: Secure | undefined;
  readonly admin: Address;
}

const socket = ({ host, port }: Address): object => ({ socket_address: { address: host, port_value: port } });

/** How an Envoy knows the control plane, and is known by it. */
interface Secure {
  readonly root: { readonly filename: string } | { readonly inline_string: string };
  /** The file of its token. */
  readonly token: string;
  readonly serverName: string;
}

const PLAINTEXT = '127.0.0.1:15010';
const SECURE = '127.0.0.1:15012';

const CREDENTIALS = 'envoy.grpc_credentials.file_based_metadata';

/** Envoy's own gRPC client has no way to send a token that changes; Google's, which every build has, reads the file for each stream. */
const overTls = (xds: Address, { root, token, serverName }: Secure): object => ({
  google_grpc: {
    target_uri: hostAndPort(xds),
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

const inPlaintext = (xds: Address): object => ({
  name: 'xds-grpc',
  type: isIP(xds.host) ? 'STATIC' : 'STRICT_DNS',
  connect_timeout: '1s',
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
  upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } },
  load_assignment: {
    cluster_name: 'xds-grpc',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(xds) } }] }],
  },
});

/** A bootstrap for stock Envoy: everything but its identity and the control plane's address comes over ADS. */
export function bootstrapOf({
  pod,
  type,
  domain,
  clusterId,
  locality,
  interception,
  xds,
  secure,
  admin,
}: Bootstrap): object {
  const { meta } = pod;
  const [address = ''] = pod.ips;
  return {
    node: {
      id: `${type}~${address}~${meta.name}.${meta.namespace}~${meta.namespace}.svc.${domain}`,
      cluster: `${meta.labels['app'] ?? meta.name}.${meta.namespace}`,
      locality: { region: locality.region, zone: locality.zone, sub_zone: locality.subzone },
      // No ISTIO_VERSION: there is no agent beside this Envoy that would hand it certificates.
      metadata: {
        NAME: meta.name,
        NAMESPACE: meta.namespace,
        LABELS: meta.labels,
        WORKLOAD_NAME: workloadName(pod),
        SERVICE_ACCOUNT: pod.serviceAccount,
        CLUSTER_ID: clusterId,
        INSTANCE_IPS: pod.ips.join(','),
        INTERCEPTION_MODE: interception,
        NODE_NAME: pod.node,
      },
    },
    admin: { address: socket(admin) },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [secure ? overTls(xds, secure) : { envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
      lds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
    },
    // As Istio's own bootstrap has it: Envoy's default refuses regular expressions of a size that VirtualServices do have.
    layered_runtime: {
      layers: [
        { name: 'static', static_layer: { 're2.max_program_size.error_level': 32768 } },
        { name: 'admin', admin_layer: {} },
      ],
    },
    ...(secure ? {} : { static_resources: { clusters: [inPlaintext(xds)] } }),
  };
}

/** How `--secure` connects; undefined without. Throws a UsageError. */
async function secureOf({ options, flags }: Arguments, serverName: string): Promise<Secure | undefined> {
  const { ca, token = '', 'root-cert': filename = '' } = options;
  if (!flags.has('secure')) {
    if (ca !== undefined) throw new UsageError('--ca is for --secure');
    return undefined;
  }
  if (ca === undefined) return { root: { filename }, token, serverName };
  const { readFolderAuthority } = await import('./ca-folder.ts');
  const { rootBundle } = await import('../security/authority.ts');
  const { authority } = await readFolderAuthority(ca, systemClock.now());
  return { root: { inline_string: rootBundle(authority) }, token, serverName };
}

/** Resolves to the exit code; rejects with a UsageError. */
export async function run(args: Arguments, io: Io): Promise<number> {
  const { options, flags } = args;
  const { pod, contents } = await findPod(args);
  if (!pod.ips.length)
    throw new UsageError(`pod ${pod.meta.name}: its status has no podIP: a proxy is known by its address`);
  const mesh = readMeshOptions(args);
  const node = [...contents.Node.values()].find(n => n.meta.name === pod.node);
  const type = options['type'];
  if (type !== 'sidecar' && type !== 'router') throw new UsageError(`--type: '${type}'; expected sidecar or router`);
  const interception = options['interception'] ?? '';
  if (!['REDIRECT', 'TPROXY', 'NONE'].includes(interception))
    throw new UsageError(`--interception: '${interception}'; expected REDIRECT, TPROXY or NONE`);
  const bootstrap = bootstrapOf({
    pod,
    type,
    domain: mesh.domain,
    clusterId: mesh.clusterId,
    locality: node ? nodeLocality(node) : nowhere,
    interception,
    xds: peerAddress('xds-address', options['xds-address'] ?? (flags.has('secure') ? SECURE : PLAINTEXT)),
    secure: await secureOf(args, `istiod.${mesh.rootNamespace}.svc`),
    admin: address('admin-address', options['admin-address'] ?? ''),
  });
  if (flags.has('secure') && pod.meta.labels['security.istio.io/tlsMode'] !== 'istio')
    io.err(
      `note: pod ${pod.meta.name} has no label security.istio.io/tlsMode: istio, so that others call it in plaintext\n`,
    );
  io.out(stringify(bootstrap));
  return 0;
}

import { isIP } from 'node:net';
import { stringify } from 'yaml';
import { type Arguments, type Io, UsageError } from '../command.ts';
import type { KubePod } from '../istio/kubernetes.ts';
import type { Locality } from '../model/endpoints/endpoint.ts';
import { nodeLocality, nowhere } from '../model/endpoints/locality.ts';
import { workloadName } from '../model/endpoints/pods.ts';
import { address, peerAddress, readMeshOptions } from '../settings.ts';
import { readFolder } from './folder.ts';

/** Where the Envoy finds what, and who it says it is. */
interface Bootstrap {
  readonly pod: KubePod;
  readonly type: 'sidecar' | 'router';
  readonly domain: string;
  readonly clusterId: string;
  readonly locality: Locality;
  readonly interception: string;
  readonly xds: { readonly host: string; readonly port: number };
  readonly admin: { readonly host: string; readonly port: number };
}

const socket = ({ host, port }: { readonly host: string; readonly port: number }): object => ({
  socket_address: { address: host, port_value: port },
});

/** A bootstrap for stock Envoy: everything but its identity and the control plane's address comes over ADS. */
export function bootstrapOf({ pod, type, domain, clusterId, locality, interception, xds, admin }: Bootstrap): object {
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
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
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
    static_resources: {
      clusters: [
        {
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
        },
      ],
    },
  };
}

/** Resolves to the exit code; rejects with a UsageError. */
export async function run(args: Arguments, io: Io): Promise<number> {
  const { options, operand: name } = args;
  if (!options['config'] || !name)
    throw new UsageError('--config DIR and the name of a pod are needed, such as productpage-v1.default');
  const contents = await readFolder(options['config']);
  const pods = [...contents.Pod.values()];
  const [podName, namespace] = name.includes('.')
    ? [name.slice(0, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1)]
    : [name, 'default'];
  const pod = pods.find(p => p.meta.name === podName && p.meta.namespace === namespace);
  if (!pod) {
    const known = pods.map(p => `${p.meta.name}.${p.meta.namespace}`).join(', ');
    throw new UsageError(`there is no pod ${podName} in namespace ${namespace}; the pods are: ${known || 'none'}`);
  }
  if (!pod.ips.length) throw new UsageError(`pod ${podName}: its status has no podIP: a proxy is known by its address`);
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
    xds: peerAddress('xds-address', options['xds-address'] ?? ''),
    admin: address('admin-address', options['admin-address'] ?? ''),
  });
  io.out(stringify(bootstrap));
  return 0;
}

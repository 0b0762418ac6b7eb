import { stringify } from 'yaml';
import { systemClock } from '../clock.ts';
import { type Arguments, type Io, UsageError } from '../command.ts';
import { bootstrapOf as envoyBootstrap, type Secure } from '../injection/bootstrap.ts';
import type { KubePod } from '../istio/kubernetes.ts';
import type { Locality } from '../model/endpoints/endpoint.ts';
import { nodeLocality, nowhere } from '../model/endpoints/locality.ts';
import { workloadName } from '../model/endpoints/pods.ts';
import type { Address } from '../settings/address.ts';
import { address, oneOf, peerAddress } from '../settings/option-values.ts';
import { readMeshOptions } from '../settings/settings.ts';
import { findPod } from './find-pod.ts';

/** Where the Envoy finds what, and who it says it is. */
interface Bootstrap {
  readonly pod: KubePod;
  readonly type: 'sidecar' | 'router';
  readonly domain: string;
  readonly clusterId: string;
  readonly locality: Locality;
  readonly interception: string;
  /** Whether it answers what is captured of DNS. */
  readonly dnsCapture?: boolean;
  readonly xds: Address;
  /** How it connects over TLS; in plaintext without. */
  readonly secure?: Secure | undefined;
  readonly admin: Address;
}

const PLAINTEXT = '127.0.0.1:15010';
const SECURE = '127.0.0.1:15012';

/** A bootstrap for the proxy of a pod whose name and addresses are known. */
export function bootstrapOf({
  pod,
  type,
  domain,
  clusterId,
  locality,
  interception,
  dnsCapture,
  ...where
}: Bootstrap): object {
  const { meta } = pod;
  const [address = ''] = pod.ips;
  const node = {
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
      ...(dnsCapture && { DNS_CAPTURE: 'true' }),
      NODE_NAME: pod.node,
    },
  };
  return envoyBootstrap({ node, ...where });
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
  const bootstrap = bootstrapOf({
    pod,
    type: oneOf('type', options['type'] ?? '', ['sidecar', 'router']),
    domain: mesh.domain,
    clusterId: mesh.clusterId,
    locality: node ? nodeLocality(node) : nowhere,
    interception: oneOf('interception', options['interception'] ?? '', ['REDIRECT', 'TPROXY', 'NONE']),
    dnsCapture: flags.has('dns-capture'),
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

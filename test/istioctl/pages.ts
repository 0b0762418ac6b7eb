import { struct } from '../../src/proto/wellknown.ts';
import { AdsClient, messageOf } from '../support/ads-client.ts';

/** istiod's pages whose shape ours have, as they are asked for about `details-v1.default`. */
export const PAGES = [
  'adsz',
  'authorizationz',
  'clusterz',
  'config_dump?proxyID=details-v1.default',
  'config_dump?proxyID=details-v1.default&include_eds',
  'config_dump?proxyID=details-v1.default&types=cds,lds',
  'configz',
  'connections',
  'ecdsz?proxyID=details-v1.default',
  'edsz?proxyID=details-v1.default',
  'endpointShardz',
  'endpointz',
  'instancesz',
  'list',
  'mcsz',
  'mesh',
  'ndsz?proxyID=details-v1.default',
  'networkz',
  'pushcontext',
  'registryz',
  'resourcesz',
  'sidecarz?proxyID=details-v1.default',
  'syncz',
  'syncz?namespace=none',
  'telemetryz',
  'telemetryz?proxyID=details-v1.default',
  'ambientz',
] as const;

/** Keys of istiod's that ours have not, and why. */
export const LACKING: readonly RegExp[] = [
  // Neither is read from the API server.
  /\.(uid|generation|domain|Extra|Status)$/,
  /\.annotations(\.|$)/,
  // A file has none.
  /\.(resourceVersion|status(\..*)?)$/,
  // The lab's MeshConfig has it.
  /^\.accessLogFile$/,
  // istiod tells where the pod's node is as the proxy's own.
  /\.clients\[\]\.(labels\.\*|locality)$/,
  // Of the Service `kubernetes`, which an API server has of its own.
  /\.Labels\.(component|provider)$/,
  // What the agent alone reads of its configuration is not kept.
  /\.PROXY_CONFIG\.discoveryAddress$/,
  // The agent's filters: a proxy has what its own Envoy has, and conformance compares it.
  /\.(activeState\.listener|cluster|configs\[\])\./,
];

/** Below so many levels is what Envoy's API says, and not the page. */
const DEEPEST = 5;

/** The paths of all keys of a page; keys that are names stand as `*`. */
export function keysOf(page: unknown): readonly string[] {
  const found = new Set<string>();
  const walk = (value: unknown, path: string, depth: number): void => {
    if (depth > DEEPEST || typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) {
      for (const item of value) walk(item, `${path}[]`, depth);
      return;
    }
    for (const [key, part] of Object.entries(value)) {
      const at = `${path}.${/[./|]/.test(key) ? '*' : key}`;
      found.add(at);
      walk(part, at, depth + 1);
    }
  };
  walk(page, '', 0);
  return [...found].sort();
}

/** A proxy of the mesh, connected, with all that a sidecar asks for. */
export async function connectDetails(address: string): Promise<AdsClient> {
  const metadata = struct({
    CLUSTER_ID: 'Kubernetes',
    ISTIO_VERSION: '1.31.0',
    NAMESPACE: 'default',
    SERVICE_ACCOUNT: 'details',
    PROXY_CONFIG: { discoveryAddress: 'istiod.istio-system.svc:15012' },
    LABELS: { app: 'details', version: 'v1' },
  });
  const id = 'sidecar~10.1.7.11~details-v1.default~default.svc.cluster.local';
  const proxy = new AdsClient(address, 'sotw', { id, metadata });
  proxy.autoAck = true;
  proxy.subscribe('cluster');
  const clusters = (await proxy.next('cluster')).resources.map(({ any }) => messageOf('cluster', any));
  proxy.subscribe(
    'endpoint',
    clusters.flatMap(({ name = '', eds_cluster_config: eds }) => (eds ? name : [])),
  );
  await proxy.next('endpoint');
  proxy.subscribe('listener');
  await proxy.next('listener');
  proxy.subscribe('route', ['9080']);
  await proxy.next('route');
  return proxy;
}

import { struct } from '../../src/proto/wellknown.ts';
import { AdsClient, messageOf } from '../support/ads-client.ts';

/** istiod's pages that ours are compared with, value by value. */
export const PAGES = [
  'adsz',
  'ambientz',
  'authorizationz',
  'clusterz',
  'configz',
  'connections',
  'endpointShardz',
  'endpointz',
  'instancesz',
  'mcsz',
  'mesh',
  'ndsz?proxyID=reviews-v1.shop',
  'networkz',
  'pushcontext',
  'registryz',
  'sidecarz?proxyID=details-v1.default',
  'sidecarz?proxyID=edge.v1.istio-system',
  'sidecarz?proxyID=reviews-v1.shop',
  'syncz',
  'syncz?namespace=none',
  'telemetryz',
  'telemetryz?proxyID=details-v1.default',
  'telemetryz?proxyID=edge.v1.istio-system',
  'telemetryz?proxyID=reviews-v1.shop',
] as const;

/** Pages that are compared by their keys: what they hold of Envoy's API is compared by conformance. */
export const DUMPS = [
  'config_dump?proxyID=details-v1.default',
  'config_dump?proxyID=details-v1.default&include_eds',
  'config_dump?proxyID=details-v1.default&types=cds,lds',
  'ecdsz?proxyID=details-v1.default',
  'edsz?proxyID=details-v1.default',
] as const;

/** Differences from istiod, and why. */
const ON_PURPOSE: readonly RegExp[] = [
  // Not kept of an object. `domain`, `Status` and `Extra` are istiod's own and the same everywhere.
  /\.(uid|generation): theirs only/,
  /\.rule\.(domain|Status|Extra): theirs only/,
  // What an agent alone reads of its configuration is not kept.
  /\.PROXY_CONFIG\.discoveryAddress: theirs only/,
  // istiod takes the place of a proxy's pod for its own, even where its Node says another; an address is known of every proxy.
  /\.INSTANCE_IPS: ours only/,
  // Ours tell what istiod does not: the version of an Envoy, how a stream came in, states in words; and from where in a list of logs.
  /^syncz.*\.(proxy_version|id|protocol|port|peer|connected|types): ours only/,
  /^telemetryz.*\.Logging\[\d\]\.Proxy\.(Name|Namespace): /,
  // A host is written there in full; here as it is in the object, so that it can be found.
  /^configz\[DestinationRule.*\.spec\.host: /,
  // JSON in a text that is written anew.
  /\.jwks: /,
  // The one resource of its type has a name.
  /\.watches\.\*\.(nameTable)?: (ours|theirs) only/,
  // There is no number of a push, ServiceEntries get no status, and the lab's MeshConfig has it.
  /^sidecarz\S*\.version: /,
  /^configz\[ServiceEntry.*\.status: theirs only/,
  /^mesh\.accessLogFile: /,
];

/** What a source of files says otherwise than an API server. */
const IN_FILES: readonly RegExp[] = [
  /\.(ResourceVersion|resourceVersion|creationTime|creationTimestamp): /,
  // Given by what writes a ServiceEntry's status, or else made from its name.
  /\.autoAllocatedIPv[46]Address: /,
  // Of the Service `kubernetes`, which an API server has of its own.
  /kubernetes\.default/,
];

/** Values that differ from run to run: times, nonces, versions, addresses of connections. */
const FLEETING =
  /^(connectedAt|sentTime|address|sent|acked|\w+_(sent|acked)|version|creationTimestamp|creationTime|[rR]esourceVersion)$/;

/** What an item of a list goes by. */
function nameOf(item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  const { hostname, proxy, connectionId, kind, metadata, name } = item as Readonly<Record<string, unknown>>;
  if (kind && metadata) {
    const meta = metadata as { readonly namespace?: string; readonly name: string };
    return `${String(kind)}/${meta.namespace}/${meta.name}`;
  }
  const id = typeof connectionId === 'string' ? connectionId.replace(/-\w+$/, '') : undefined;
  const found = hostname ?? proxy ?? id ?? name;
  return typeof found === 'string' ? found : undefined;
}

const kindOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value);

/** A page for comparison: fleeting values by their type, lists in the order of their names where these are all different. */
export function settled(value: unknown): unknown {
  if (Array.isArray(value)) {
    const names = value.map(nameOf);
    if (names.length === 0 || names.includes(undefined) || new Set(names).size < names.length)
      return value.map(settled);
    return Object.fromEntries(
      value.map((item, i) => [`[${names[i]}]`, settled(item)] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => {
      if (FLEETING.test(key) && typeof part === 'string' && part) return [key, 'SOME'];
      return [key, key === 'watches' ? watched(part as Readonly<Record<string, readonly string[]>>) : settled(part)];
    }),
  );
}

/** The names that a proxy watches are sets. */
const watched = (byType: Readonly<Record<string, readonly string[]>>): unknown =>
  Object.fromEntries(
    Object.entries(byType).map(([type, names]) => [type, Object.fromEntries(names.toSorted().map(name => [name, {}]))]),
  );

function* differencesAt(theirs: unknown, own: unknown, path: string): Generator<string> {
  const kinds = [kindOf(theirs), kindOf(own)] as const;
  const shown = (): string => `: theirs ${JSON.stringify(theirs)}, ours ${JSON.stringify(own)}`;
  if (kinds[0] !== kinds[1]) yield `${path}${shown()}`;
  else if (kinds[0] === 'object' || kinds[0] === 'list') {
    const [a, b] = [theirs, own] as Readonly<Record<string, unknown>>[];
    for (const key of new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])) {
      const at = key.startsWith('[')
        ? `${path}${key}`
        : kinds[0] === 'list'
          ? `${path}[${key}]`
          : `${path}.${/^type\./.test(key) ? '*' : key}`;
      if (!Object.hasOwn(b ?? {}, key)) yield `${at}: theirs only, ${JSON.stringify(a?.[key])}`;
      else if (!Object.hasOwn(a ?? {}, key)) yield `${at}: ours only, ${JSON.stringify(b?.[key])}`;
      else yield* differencesAt(a?.[key], b?.[key], at);
    }
  } else if (theirs !== own) yield `${path}${shown()}`;
}

/** How two settled pages differ without a reason: keys, types, null and absent, values. */
export function differences(page: string, theirs: unknown, own: unknown, from: 'files' | 'server'): readonly string[] {
  const known = from === 'files' ? [...ON_PURPOSE, ...IN_FILES] : ON_PURPOSE;
  return [...differencesAt(theirs, own, page)].filter(line => !known.some(reason => reason.test(line)));
}

/** Below so many levels is what Envoy's API says, and not the page. */
const DEEPEST = 5;

/** The agent's filters: a proxy has what its own Envoy has, and conformance compares it. */
const OF_THE_AGENT = /\.(activeState\.listener|cluster|configs\[\])\./;

/** The paths of all keys of a dump; keys that are names stand as `*`. */
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

/** The keys of a dump that are in theirs alone. */
export function keysLacking(theirs: readonly string[], page: unknown): readonly string[] {
  const own = new Set(keysOf(page));
  return theirs.filter(key => !own.has(key) && !OF_THE_AGENT.test(key));
}

/** What istiod answered about the mesh of `mesh.yaml`. */
export interface Recorded {
  readonly pages: Readonly<Record<string, unknown>>;
  readonly keys: Readonly<Record<string, readonly string[]>>;
}

/** Another one, of which a Sidecar narrows what it sees; by delta, with the names of its DNS. */
async function connectReviews(address: string): Promise<AdsClient> {
  const metadata = struct({
    CLUSTER_ID: 'Kubernetes',
    ISTIO_VERSION: '1.31.0',
    NAMESPACE: 'shop',
    DNS_CAPTURE: 'true',
    LABELS: { app: 'reviews' },
    PROXY_CONFIG: {},
  });
  const id = 'sidecar~10.1.7.12~reviews-v1.shop~shop.svc.cluster.local';
  const proxy = new AdsClient(address, 'delta', { id, metadata });
  proxy.autoAck = true;
  for (const type of ['cluster', 'listener', 'nameTable'] as const) {
    proxy.subscribe(type);
    await proxy.next(type);
  }
  return proxy;
}

/** A proxy of the mesh, connected, with all that a sidecar asks for. */
async function connectDetails(address: string): Promise<AdsClient> {
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

/** A gateway with a name with dots and an address of IPv6, which is not given the secret that it asks for. */
async function connectEdge(address: string): Promise<AdsClient> {
  const metadata = struct({
    CLUSTER_ID: 'Kubernetes',
    ISTIO_VERSION: '1.30.2',
    NAMESPACE: 'istio-system',
    LABELS: { istio: 'ingressgateway' },
    PROXY_CONFIG: {},
  });
  const id = 'router~2001:db8::1~edge.v1.istio-system~istio-system.svc.cluster.local';
  const proxy = new AdsClient(address, 'sotw', { id, metadata });
  proxy.autoAck = true;
  for (const type of ['cluster', 'listener'] as const) {
    proxy.subscribe(type);
    await proxy.next(type);
  }
  proxy.subscribe('secret', ['kubernetes://shop']);
  return proxy;
}

/** A proxy that has rejected what it was sent. */
async function connectRejecting(address: string): Promise<AdsClient> {
  const metadata = struct({ CLUSTER_ID: 'Kubernetes', ISTIO_VERSION: '1.31.0', NAMESPACE: 'shop', PROXY_CONFIG: {} });
  const proxy = new AdsClient(address, 'delta', {
    id: 'sidecar~10.1.7.13~rejects.shop~shop.svc.cluster.local',
    metadata,
  });
  proxy.subscribe('cluster');
  proxy.nack(await proxy.next('cluster'), 'no "such" <cluster>\nis known: ü');
  return proxy;
}

/** The proxies of the mesh, connected. */
export async function connectProxies(address: string): Promise<readonly AdsClient[]> {
  const proxies: AdsClient[] = [];
  for (const connect of [connectDetails, connectReviews, connectEdge, connectRejecting])
    proxies.push(await connect(address));
  return proxies;
}

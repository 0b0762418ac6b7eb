import { type Problem, problemLine } from '../config/problem.ts';
import type { CredentialAccess } from '../credential-access.ts';
import type { NamedObject } from '../istio/credentials.ts';
import type { Proxy } from '../model/proxy/proxy.ts';
import { objectKey } from '../object-key.ts';
import { typed } from '../proto/any.ts';
import { toJson } from '../proto/json.ts';
import { decode } from '../proto/message.ts';
import type { Rounds } from '../rounds/rounds.ts';
import { watchName } from '../sources/kubernetes/kubernetes.ts';
import type { World } from '../world.ts';
import type { AdsServer } from '../xds/ads-server.ts';
import type { Connection } from '../xds/connection.ts';
import type { EncodedResource } from '../xds/resource.ts';
import { resourceTypes, type XdsType } from '../xds/resource-types.ts';
import type { Answer, Entry, PageRequest, Pages } from './page.ts';
import type { WatchState } from './ready.ts';

/** What the debug pages show. */
export interface DebugView {
  readonly ads: AdsServer<Proxy>;
  readonly world: () => World | undefined;
  readonly rounds: Rounds;
  readonly credentials: CredentialAccess;
  readonly watches: () => readonly WatchState[];
  /** What is wrong with what is no part of the world. */
  readonly otherProblems: () => readonly Problem[];
}

const time = (at: number | undefined): string | undefined =>
  at === undefined ? undefined : new Date(at).toISOString();

/** istiod's names of the types in /debug/syncz. */
const SYNC_NAMES: Partial<Record<XdsType, string>> = {
  cluster: 'cluster',
  listener: 'listener',
  route: 'route',
  endpoint: 'endpoint',
  extension: 'extensionconfig',
};

/** One row of /debug/syncz: istiod's fields, which `istioctl proxy-status` reads, and what was rejected and why. */
function syncStatus(connection: Connection<Proxy>, withheld: readonly Problem[]): object {
  const { client, protocol, connectedAt, peer } = connection;
  const types = connection.status();
  const { class: proxyClass } = client;
  const nonces = types.flatMap(t => {
    const name = SYNC_NAMES[t.type];
    return name ? [[`${name}_sent`, t.nonceSent ?? ''] as const, [`${name}_acked`, t.nonceAcked ?? ''] as const] : [];
  });
  return {
    proxy: client.id.split('~')[2] ?? client.id,
    proxy_type: proxyClass.type,
    cluster_id: proxyClass.metadata['CLUSTER_ID'] ?? '',
    proxy_version: proxyClass.build.version.join('.'),
    istio_version: proxyClass.istioVersion,
    ...Object.fromEntries(nonces),
    id: client.id,
    protocol,
    peer: peer.address,
    port: peer.port,
    connected: time(connectedAt),
    types: types.map(t => ({
      type: t.typeUrl,
      names: t.names,
      state: t.rejection ? 'REJECTED' : t.pending ? 'STALE' : t.sentAt === undefined ? 'NOT SENT' : 'SYNCED',
      version_sent: t.versionSent,
      version_acked: t.versionAcked,
      nonce_sent: t.nonceSent,
      nonce_acked: t.nonceAcked,
      sent: time(t.sentAt),
      acked: time(t.ackedAt),
      ...(t.type === 'secret' && withheld.length && { withheld: withheld.map(problemLine) }),
      ...(t.rejection && { rejected: { version: t.rejection.version, error: t.rejection.message } }),
    })),
  };
}

/**
 * The connection of a proxy by its `pod.namespace`, pod name, or whole id; the newest where it has several. For who may look at one namespace the
 * others have no proxies. The first sentences are istiod's, which istioctl looks for.
 */
function find({ ads }: DebugView, { query, debug }: PageRequest): Connection<Proxy> | Answer {
  const wanted = query.get('proxyID');
  const shown = [...ads.connections].filter(
    ({ client }) => debug.kind === 'all' || (debug.kind === 'namespace' && debug.namespace === client.namespace),
  );
  const connected = `connected: ${shown.map(({ client }) => client.id.split('~')[2] ?? client.id).join(', ') || 'none'}\n`;
  if (!wanted)
    return {
      status: 400,
      body: `You must provide a proxyID in the query string: ?proxyID=POD.NAMESPACE; ${connected}`,
    };
  const found = shown
    .filter(({ client }) => client.id === wanted || client.id.split('~')[2] === wanted || client.name === wanted)
    .at(-1);
  return (
    found ?? {
      status: 404,
      body: `Proxy not connected to this Pilot instance. It may be connected to another instance.\n${connected}`,
    }
  );
}

const json = (type: XdsType, { bytes }: EncodedResource): unknown => {
  const { message } = resourceTypes[type];
  return toJson('google.protobuf.Any', typed(message, decode(message, bytes) as never));
};

/** A list whose items are made when they are read. */
const each = <T>(items: readonly T[], make: (item: T) => unknown): Iterable<unknown> => ({
  *[Symbol.iterator]() {
    for (const item of items) yield make(item);
  },
});

/** What a proxy holds, in the shape of Envoy's own /config_dump, so that `istioctl proxy-config` reads it. */
function configDump(connection: Connection<Proxy>): object {
  const dynamic = (type: XdsType, field: string): Iterable<unknown> =>
    each(connection.held(type), resource => ({ version_info: resource.version, [field]: json(type, resource) }));
  const dump = (kind: string, fields: object): object => ({
    '@type': `type.googleapis.com/envoy.admin.v3.${kind}ConfigDump`,
    ...fields,
  });
  const version = (type: XdsType): string => connection.status().find(t => t.type === type)?.versionSent ?? '';
  return {
    configs: [
      dump('Clusters', { version_info: version('cluster'), dynamic_active_clusters: dynamic('cluster', 'cluster') }),
      dump('Listeners', {
        version_info: version('listener'),
        dynamic_listeners: each(connection.held('listener'), resource => ({
          name: resource.name,
          active_state: { version_info: resource.version, listener: json('listener', resource) },
        })),
      }),
      dump('Routes', { dynamic_route_configs: dynamic('route', 'route_config') }),
      dump('Endpoints', { dynamic_endpoint_configs: dynamic('endpoint', 'endpoint_config') }),
    ],
  };
}

/** The problems beside the mesh, those of the mesh, then those that only showed while connected proxies' configuration was made; each once. */
function* problemsOf(view: DebugView): Generator<Problem> {
  const { ads, world, otherProblems } = view;
  yield* otherProblems();
  const current = world();
  if (!current) return;
  const said = new Set<string>();
  const lists = new Set<readonly Problem[]>([current.problems]);
  const fresh = (problem: Problem): boolean => said.size < said.add(problemLine(problem)).size;
  yield* current.problems.filter(fresh);
  for (const { client } of [...ads.connections]) {
    const { problems } = current.of(client).translation;
    if (lists.size < lists.add(problems).size) yield* problems.filter(fresh);
  }
  const withheld = withheldFrom(view, current);
  for (const { client } of [...ads.connections]) yield* withheld(client).filter(fresh);
}

/** Why proxies are not sent credentials that their objects name. */
function withheldFrom({ credentials, watches }: DebugView, current: World): (proxy: Proxy) => readonly Problem[] {
  const states = new Map(watches().map(watch => [watch.name, watch]));
  const why = ({ kind, namespace, name }: NamedObject): string | undefined => {
    if (current.mesh.contents[kind].has(objectKey(kind, namespace, name))) return undefined;
    const { state, lastError } = states.get(watchName({ kind, namespace, name })) ?? {};
    if (state === 'listing' || (states.size && !state)) return undefined;
    return `there is no ${kind} ${namespace}/${name}${state === 'failing' ? ` that can be read: ${lastError}` : ''}`;
  };
  return proxy => [
    ...credentials.refusals(proxy, current.of(proxy).translation.configuration.credentials),
    ...credentials.missing(proxy, why),
  ];
}

/** What a proxy holds of one type. */
function heldPage(view: DebugView, request: PageRequest, type: XdsType): Answer {
  const found = find(view, request);
  return 'client' in found ? { body: each(found.held(type), resource => json(type, resource)) } : found;
}

/** The pages below /debug, with an index of them: each shows the mesh, if it does not say otherwise. */
export function debugPages(view: DebugView): Pages {
  const pages: Record<string, Entry> = {
    '/debug/syncz': {
      help: 'What each connected proxy was sent and has acknowledged; why it rejected what, and which credentials it is not given',
      page() {
        const current = view.world();
        const withheld = current ? withheldFrom(view, current) : () => [];
        return {
          body: each([...view.ads.connections], connection => syncStatus(connection, withheld(connection.client))),
        };
      },
    },
    '/debug/stages': {
      help: 'The stages that the mesh is made in: what each reads, what of that had changed, and what it cost',
      page: () => ({ body: each(view.world()?.mesh.stages.runs ?? [], run => run) }),
    },
    '/debug/config_dump': {
      help: "?proxyID=POD.NAMESPACE: what a proxy holds, in the shape of Envoy's /config_dump",
      shows: 'proxy',
      page(request) {
        const found = find(view, request);
        return 'client' in found ? { body: configDump(found) } : found;
      },
    },
    '/debug/edsz': {
      help: '?proxyID=POD.NAMESPACE: the endpoints that a proxy holds',
      shows: 'proxy',
      page: request => heldPage(view, request, 'endpoint'),
    },
    '/debug/ndsz': {
      help: '?proxyID=POD.NAMESPACE: the names that the DNS of a proxy answers',
      shows: 'proxy',
      page: request => heldPage(view, request, 'nameTable'),
    },
    '/debug/rounds': {
      help: 'How changes share rounds of pushes: rounds, changes, what waits, what the last round cost',
      page: () => ({ body: view.rounds.status() }),
    },
    '/debug/problems': {
      help: 'What is wrong with the objects: object, field, reason',
      page: () => ({ body: problemsOf(view) }),
    },
  };
  const index = (): Answer => ({
    body: Object.entries(pages)
      .map(([path, { help }]) => `${path.padEnd(22)} ${help}\n`)
      .join(''),
  });
  const all: Pages = { ...pages, '/debug': { help: 'These pages', shows: 'proxy', page: index } };
  return Object.fromEntries(Object.entries(all).map(([path, entry]) => [path, { shows: 'mesh', ...entry }]));
}

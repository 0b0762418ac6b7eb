import type { Cluster } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { ClusterLoadAssignment } from '../../src/proto/generated/envoy/config/endpoint/v3.ts';
import type { Listener } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import type { RouteConfiguration } from '../../src/proto/generated/envoy/config/route/v3.ts';
import type { NameTable } from '../../src/proto/generated/istio/networking/nds/v1.ts';
import { fromJson, toJson } from '../../src/proto/json.ts';
import type { MessageName, MessageTypes } from '../../src/proto/message.ts';
import type { Resource, Translated } from '../../src/translate/resource.ts';
import type { Translation } from '../../src/translate/translate.ts';
import { eachObject, member } from './json.ts';
import { type DiscoveryType, type Dump, type Json, readDump } from './xds-diff.ts';

/** Everything that one proxy is sent, as messages: what validators and the simulation read, whoever made it. */
export interface Messages {
  readonly clusters: readonly Cluster[];
  readonly endpoints: readonly ClusterLoadAssignment[];
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
  /** For the agent's DNS proxy. */
  readonly nameTables?: readonly NameTable[];
}

/** Parts as one list. */
export const joined = <M>(parts: readonly Translated<M>[]): Translated<M> => ({
  resources: parts.flatMap(part => part.resources),
  problems: parts.flatMap(part => part.problems),
});

/** The lists of a translation, with the message that each holds and the name of its discovery service. */
export const messageTypes = [
  { list: 'clusters', discovery: 'cds', message: 'envoy.config.cluster.v3.Cluster' },
  { list: 'endpoints', discovery: 'eds', message: 'envoy.config.endpoint.v3.ClusterLoadAssignment' },
  { list: 'listeners', discovery: 'lds', message: 'envoy.config.listener.v3.Listener' },
  { list: 'routes', discovery: 'rds', message: 'envoy.config.route.v3.RouteConfiguration' },
] as const satisfies readonly { list: keyof Messages; discovery: DiscoveryType; message: MessageName }[];

const messages = <M>(resources: readonly Resource<M>[]): readonly M[] => resources.map(r => r.message);

/** The messages of a translation. */
export const messagesOf = (t: Translation): Messages => ({
  clusters: messages(t.clusters),
  endpoints: messages(t.endpoints),
  listeners: messages(t.listeners),
  routes: messages(t.routes),
  nameTables: messages(t.nameTables),
});

function read<N extends MessageName>(name: N, resources: Readonly<Record<string, Json>> = {}): MessageTypes[N][] {
  return Object.entries(resources).map(([resource, json]) => {
    const { value, problems } = fromJson(name, json);
    const [problem] = problems;
    if (problem) throw new Error(`${resource}: ${problem.path}: ${problem.message}`);
    return value;
  });
}

/** The messages of a dump, as `xdsdump` writes it. Throws on what the bundle does not know. */
export function messagesOfDump(dump: Dump): Messages {
  return {
    clusters: read('envoy.config.cluster.v3.Cluster', dump.cds),
    endpoints: read('envoy.config.endpoint.v3.ClusterLoadAssignment', dump.eds),
    listeners: read('envoy.config.listener.v3.Listener', dump.lds),
    routes: read('envoy.config.route.v3.RouteConfiguration', dump.rds),
  };
}

/** {@link messagesOfDump} of a file's text. */
export const messagesOfText = (text: string): Messages => messagesOfDump(readDump(text));

/** Messages of one type by name, as proto JSON. */
export function jsonByName<N extends MessageName>(
  message: N,
  list: readonly MessageTypes[N][],
  nameOf: (m: MessageTypes[N]) => string | undefined,
): Record<string, Json> {
  // Proto JSON has no undefined members; the writer's type only allows them.
  const entries = list.map((m): [string, Json] => [nameOf(m) ?? '', toJson(message, m) as Json]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Messages as a dump: what `pilotlight translate` prints. */
export const dumpOf = (m: Messages): Required<Pick<Dump, 'cds' | 'eds' | 'lds' | 'rds' | 'nds'>> => ({
  cds: jsonByName('envoy.config.cluster.v3.Cluster', m.clusters, c => c.name),
  eds: jsonByName('envoy.config.endpoint.v3.ClusterLoadAssignment', m.endpoints, e => e.cluster_name),
  lds: jsonByName('envoy.config.listener.v3.Listener', m.listeners, l => l.name),
  rds: jsonByName('envoy.config.route.v3.RouteConfiguration', m.routes, r => r.name),
  nds: jsonByName('istio.networking.nds.v1.NameTable', m.nameTables ?? [], () => 'nameTable'),
});

/** What an ADS client would be sent of these messages: it asks for load assignments and routes by the names in clusters and listeners. */
export function askedFor(m: Messages): Messages {
  const assignments = new Set(m.clusters.flatMap(c => [c.eds_cluster_config?.service_name || c.name]));
  const routes = new Set<unknown>();
  for (const listener of m.listeners)
    eachObject(toJson('envoy.config.listener.v3.Listener', listener), object =>
      routes.add(member(object['rds'], 'route_config_name')),
    );
  return {
    ...m,
    endpoints: m.endpoints.filter(e => assignments.has(e.cluster_name)),
    routes: m.routes.filter(r => routes.has(r.name)),
  };
}

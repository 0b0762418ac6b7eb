import type { Problem } from '../../src/config/problem.ts';
import type { Cluster } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import { toJson } from '../../src/proto/json.ts';
import { eachObject, isFields, type JsonFields, member, members } from './json.ts';
import { type Messages, messageTypes } from './translation.ts';
import { listenerFindings } from './validators-listeners.ts';
import { roundTripFindings } from './validators-wire.ts';

/** What a check may take for granted. */
export interface Expectations {
  /** What the user was told: a route may name a cluster that nobody is sent where a Problem says that its host, subset or port is not there. */
  readonly problems?: readonly Problem[];
  /** Whether the proxy does not see the Service port or subset of a cluster: a VirtualService that it sees may lead there all the same. */
  readonly lacks?: (cluster: string) => boolean;
  /** Whether Istio's agent stands beside the proxy, whose bootstrap brings clusters along. */
  readonly agent?: boolean;
  /** Clusters that an EnvoyFilter may have taken away. */
  readonly removed?: readonly string[];
}

/** The cluster that every bootstrap has, and those that the one of Istio's agent has besides. */
const ofEachBootstrap = ['xds-grpc'];
const ofTheAgent = ['sds-grpc', 'prometheus_stats', 'agent', 'zipkin', 'outbound_tracing', 'envoy_accesslog_service'];

/** What Problems say of a destination without a cluster. */
const withoutCluster = /no cluster|connections there are closed|nothing is mirrored/;

/** The parts of an outbound cluster's name. */
export const outboundParts = (cluster: string) =>
  /^outbound(?:\|(?<port>\d+)\|(?<subset>[^|]*)\||_\.(?<port>\d+)_\.(?<subset>[^|]*)_\.)(?<host>.+)$/.exec(cluster)
    ?.groups;

/** Whether the user was told that a cluster is not there. */
const isTold = (cluster: string, problems: readonly Problem[]): boolean => {
  const host = outboundParts(cluster)?.['host'];
  return (
    host !== undefined &&
    problems.some(({ message }) => withoutCluster.test(message) && message.split(/[ ,;:()]/).includes(host))
  );
};

/** Everything that would make an Envoy reject or misuse these messages: one line a finding, empty where all is well. */
export function findings(messages: Messages, expectations: Expectations = {}): readonly string[] {
  return [
    ...duplicateNames(messages),
    ...messages.routes.flatMap(route => virtualHostFindings(toJson('envoy.config.route.v3.RouteConfiguration', route))),
    ...listenerFindings(messages.listeners),
    ...messages.listeners.flatMap(listener =>
      inlineRouteFindings(toJson('envoy.config.listener.v3.Listener', listener)),
    ),
    ...danglingNames(messages, expectations),
    ...weightFindings(messages),
    ...priorityFindings(messages),
    ...roundTripFindings(messages),
  ];
}

/** Names that occur more than once in a list. */
export function duplicates(names: Iterable<string>): readonly string[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) twice.add(name);
    seen.add(name);
  }
  return [...twice];
}

function duplicateNames({ clusters, endpoints, listeners, routes }: Messages): readonly string[] {
  const lists: readonly [string, readonly (string | undefined)[]][] = [
    ['cluster', clusters.map(c => c.name)],
    ['load assignment', endpoints.map(e => e.cluster_name)],
    ['listener', listeners.map(l => l.name)],
    ['route configuration', routes.map(r => r.name)],
  ];
  return lists.flatMap(([what, names]) => [
    ...duplicates(names.map(name => name ?? '')).map(name => `two ${what}s are called '${name}'`),
    ...names.filter(name => !name).map(() => `a ${what} has no name`),
  ]);
}

/** Virtual hosts share neither name nor domain within a route configuration; Envoy compares domains in lower case. */
function virtualHostFindings(route: unknown): readonly string[] {
  if (!isFields(route)) return [];
  const hosts = members(route['virtual_hosts']);
  const where = `route configuration '${route['name']}'`;
  const domains = hosts.flatMap(host => (Array.isArray(host['domains']) ? host['domains'] : []));
  return [
    ...duplicates(hosts.map(host => String(host['name']))).map(
      name => `${where}: two virtual hosts are called '${name}'`,
    ),
    ...duplicates(domains.map(domain => String(domain).toLowerCase())).map(d => `${where}: domain '${d}' occurs twice`),
    ...hosts
      .filter(host => !Array.isArray(host['domains']) || host['domains'].length === 0)
      .map(host => `${where}: virtual host '${host['name']}' has no domain`),
  ];
}

function inlineRouteFindings(listener: unknown): readonly string[] {
  const found: string[] = [];
  eachObject(listener, object => {
    if (isFields(object['route_config'])) found.push(...virtualHostFindings(object['route_config']));
  });
  return found;
}

/** Where messages name clusters: field by field, with the objects in which the field does so. */
function clusterNames(object: JsonFields): readonly string[] {
  const names: string[] = [];
  for (const field of ['cluster', 'collector_cluster'])
    if (typeof object[field] === 'string') names.push(object[field]);
  if (isFields(object['envoy_grpc'])) names.push(String(member(object['envoy_grpc'], 'cluster_name')));
  for (const weighted of members(member(object['weighted_clusters'], 'clusters'))) names.push(String(weighted['name']));
  return names;
}

const isOfVirtualService = (part: JsonFields): boolean => {
  const config = member(member(member(part['metadata'], 'filter_metadata'), 'istio'), 'config');
  return typeof config === 'string' && config.includes('/virtual-service/');
};

/** The parts of a message that may name clusters, those of a VirtualService apart: they say where its user wants to go. */
function parts(list: string, json: unknown): readonly (readonly [part: JsonFields, routed: boolean])[] {
  if (!isFields(json)) return [];
  const { filter_chains: chains, default_filter_chain: fallback, virtual_hosts: hosts, ...rest } = json;
  const of =
    list === 'routes'
      ? members(hosts).flatMap(host => members(host['routes']))
      : [...members(chains), ...(isFields(fallback) ? [fallback] : [])];
  return [[rest, false], ...of.map(part => [part, isOfVirtualService(part)] as const)];
}

function danglingNames(
  messages: Messages,
  { problems = [], lacks = () => false, agent = false, removed = [] }: Expectations,
): readonly string[] {
  const bootstrap = agent ? [...ofEachBootstrap, ...ofTheAgent] : ofEachBootstrap;
  const known = new Set([...messages.clusters.map(c => c.name ?? ''), ...bootstrap, ...removed]);
  const routes = new Set(messages.routes.map(r => r.name));
  const assignments = new Set(messages.endpoints.map(e => e.cluster_name));
  const found: string[] = [];
  for (const { list, message } of messageTypes) {
    if (list === 'endpoints') continue;
    for (const item of messages[list])
      for (const [part, routed] of parts(list, toJson(message, item as never)))
        eachObject(part, object => {
          for (const name of clusterNames(object))
            if (!known.has(name) && !isTold(name, problems) && !(routed && lacks(name)))
              found.push(`${list} '${item.name}' names the cluster '${name}', which does not exist`);
          const rds = member(object['rds'], 'route_config_name');
          if (rds !== undefined && !routes.has(String(rds)))
            found.push(`listener '${item.name}' names the routes '${rds}', which do not exist`);
        });
  }
  for (const cluster of messages.clusters)
    if (isEds(cluster) && !assignments.has(cluster.eds_cluster_config?.service_name || cluster.name || ''))
      found.push(`cluster '${cluster.name}' has no load assignment`);
  return [...new Set(found)];
}

const isEds = (cluster: Cluster): boolean => cluster.type === 3;

function weightFindings(messages: Messages): readonly string[] {
  const found: string[] = [];
  for (const { list, message } of messageTypes) {
    if (list !== 'routes' && list !== 'listeners') continue;
    for (const item of messages[list])
      eachObject(toJson(message, item as never), object => {
        const clusters = members(member(object['weighted_clusters'], 'clusters'));
        if (clusters.length === 0) return;
        // HTTP routes wrap a weight, TCP proxies do not; JSON shows a number either way.
        const sum = clusters.reduce((total, cluster) => total + Number(cluster['weight'] ?? 0), 0);
        if (!(sum > 0)) found.push(`${list} '${item.name}': the weights of ${clusters[0]?.['name']} … are all 0`);
      });
  }
  return found;
}

/** Priorities must begin with 0 and leave none out. */
function priorityFindings({ endpoints }: Messages): readonly string[] {
  return endpoints.flatMap(({ cluster_name, endpoints: groups = [] }) => {
    const priorities = [...new Set(groups.map(g => g.priority ?? 0))].sort((a, b) => a - b);
    return priorities.some((priority, i) => priority !== i)
      ? [`load assignment '${cluster_name}' has the priorities ${priorities.join(', ')}`]
      : [];
  });
}

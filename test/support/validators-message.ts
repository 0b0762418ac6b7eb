import { hash } from 'node:crypto';
import type { ClusterLoadAssignment } from '../../src/proto/generated/envoy/config/endpoint/v3.ts';
import type { Listener } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import { toJson } from '../../src/proto/json.ts';
import { type AnyMessage, encodeMessage, type MessageName } from '../../src/proto/message.ts';
import { duplicates } from './duplicates.ts';
import { eachObject, isFields, type JsonFields, member, members } from './json.ts';
import { type Messages, messageTypes } from './translation.ts';
import { chainFindings } from './validators-listeners.ts';
import { roundTrip } from './validators-wire.ts';

export type List = (typeof messageTypes)[number]['list'];
export type Item = NonNullable<Messages[List]>[number];

/** What a message says whoever is sent it. */
interface Said {
  /** What is wrong with it. */
  readonly findings: readonly string[];
  /** Clusters that it names; `isRouted`: as what a VirtualService leads to. */
  readonly clusters: readonly { readonly name: string; readonly isRouted: boolean }[];
  /** Route configurations that it names. */
  readonly routes: readonly string[];
}

export const nameOf = (item: Item): string =>
  ('cluster_name' in item ? item.cluster_name : Reflect.get(item, 'name')) ?? '';

/** Virtual hosts share neither name nor domain within a route configuration; Envoy compares domains in lower case. */
function virtualHostFindings(route: JsonFields): readonly string[] {
  const hosts = members(route['virtual_hosts']);
  const domains = hosts.flatMap(host => (Array.isArray(host['domains']) ? host['domains'] : []));
  return [
    ...duplicates(hosts.map(host => String(host['name']))).map(name => `two virtual hosts are called '${name}'`),
    ...duplicates(domains.map(domain => String(domain).toLowerCase())).map(d => `domain '${d}' occurs twice`),
    ...hosts
      .filter(host => !Array.isArray(host['domains']) || host['domains'].length === 0)
      .map(host => `virtual host '${host['name']}' has no domain`),
  ];
}

function inlineRouteFindings(listener: JsonFields): readonly string[] {
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
function parts(list: List, json: JsonFields): readonly (readonly [part: JsonFields, routed: boolean])[] {
  const { filter_chains: chains, default_filter_chain: fallback, virtual_hosts: hosts, ...rest } = json;
  const of =
    list === 'routes'
      ? members(hosts).flatMap(host => members(host['routes']))
      : [...members(chains), ...(isFields(fallback) ? [fallback] : [])];
  return [[rest, false], ...of.map(part => [part, isOfVirtualService(part)] as const)];
}

function weightFindings(json: JsonFields): readonly string[] {
  const found: string[] = [];
  eachObject(json, object => {
    const clusters = members(member(object['weighted_clusters'], 'clusters'));
    if (clusters.length === 0) return;
    // HTTP routes wrap a weight, TCP proxies do not; JSON shows a number either way.
    const sum = clusters.reduce((total, cluster) => total + Number(cluster['weight'] ?? 0), 0);
    if (!(sum > 0)) found.push(`the weights of ${clusters[0]?.['name']} … are all 0`);
  });
  return found;
}

/** Priorities must begin with 0 and leave none out. */
function priorityFindings({ endpoints: groups = [] }: ClusterLoadAssignment): readonly string[] {
  const priorities = [...new Set(groups.map(g => g.priority ?? 0))].sort((a, b) => a - b);
  return priorities.some((priority, i) => priority !== i) ? [`it has the priorities ${priorities.join(', ')}`] : [];
}

function findingsOf(list: List, item: Item, json: JsonFields): readonly string[] {
  switch (list) {
    case 'clusters':
      return [];
    case 'endpoints':
      return priorityFindings(item as ClusterLoadAssignment);
    case 'listeners':
      return [...chainFindings(item as Listener), ...inlineRouteFindings(json), ...weightFindings(json)];
    case 'routes':
      return [...virtualHostFindings(json), ...weightFindings(json)];
  }
}

function read(list: List, message: MessageName, item: Item): Said {
  const json: unknown = toJson(message, item as never);
  if (!isFields(json)) throw new Error(`${list}: a message is no object in JSON`);
  const clusters: Said['clusters'][number][] = [];
  const routes: string[] = [];
  if (list !== 'endpoints')
    for (const [part, isRouted] of parts(list, json))
      eachObject(part, object => {
        for (const name of clusterNames(object)) clusters.push({ name, isRouted });
        const rds = member(object['rds'], 'route_config_name');
        if (rds !== undefined) routes.push(String(rds));
      });
  const findings = [...findingsOf(list, item, json), ...roundTrip(message, item as AnyMessage)];
  return { findings, clusters, routes };
}

const byItem = new WeakMap<object, Said>();
const byContent = new Map<string, Said>();

/** Read once for each content: worlds of a suite have most messages in common. */
export function saidBy(list: List, item: Item): Said {
  const known = byItem.get(item);
  if (known) return known;
  const { message } = messageTypes.find(type => type.list === list) ?? messageTypes[0];
  const content = `${list} ${hash('sha256', encodeMessage(message, item as AnyMessage), 'base64')}`;
  const said = byContent.get(content) ?? read(list, message, item);
  byContent.set(content, said);
  byItem.set(item, said);
  return said;
}

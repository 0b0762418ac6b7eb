import type { Problem } from '../../src/config/problem.ts';
import type { Cluster } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import { duplicates } from './duplicates.ts';
import { type Messages, messageTypes } from './translation.ts';
import { addressFindings } from './validators-listeners.ts';
import { nameOf, saidBy } from './validators-message.ts';
import { wireFindings } from './validators-wire.ts';

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
    ...addressFindings(messages.listeners),
    ...danglingNames(messages, expectations),
    ...messageTypes.flatMap(({ list }) =>
      messages[list].flatMap(item => {
        const where = `${list} '${nameOf(item)}'`;
        return [...wireFindings(list, item), ...saidBy(list, item).findings].map(finding => `${where}: ${finding}`);
      }),
    ),
  ];
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

function danglingNames(
  messages: Messages,
  { problems = [], lacks = () => false, agent = false, removed = [] }: Expectations,
): readonly string[] {
  const bootstrap = agent ? [...ofEachBootstrap, ...ofTheAgent] : ofEachBootstrap;
  const known = new Set([...messages.clusters.map(c => c.name ?? ''), ...bootstrap, ...removed]);
  const routes = new Set(messages.routes.map(r => r.name));
  const assignments = new Set(messages.endpoints.map(e => e.cluster_name));
  const found: string[] = [];
  for (const { list } of messageTypes)
    for (const item of messages[list]) {
      const { clusters, routes: named } = saidBy(list, item);
      for (const { name, isRouted } of clusters)
        if (!known.has(name) && !isTold(name, problems) && !(isRouted && lacks(name)))
          found.push(`${list} '${nameOf(item)}' names the cluster '${name}', which does not exist`);
      for (const name of named)
        if (!routes.has(name)) found.push(`listener '${nameOf(item)}' names the routes '${name}', which do not exist`);
    }
  for (const cluster of messages.clusters)
    if (isEds(cluster) && !assignments.has(cluster.eds_cluster_config?.service_name || cluster.name || ''))
      found.push(`cluster '${cluster.name}' has no load assignment`);
  return [...new Set(found)];
}

const isEds = (cluster: Cluster): boolean => cluster.type === 3;

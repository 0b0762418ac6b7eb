import type { Messages } from '../../support/translation.ts';
import type { Call, Choice, Outcome } from '../call.ts';
import { type HashKey, hashes } from '../route/hash-key.ts';
import { endpointsOf, ofSubset } from './cluster.ts';
import { clusterPolicyOf } from './cluster-policy.ts';
import { transportOf } from './transport-socket.ts';
import { type ChosenCluster, upstreamOf } from './upstream.ts';

/** What is found out of a call for the cluster that gets it. */
export interface Clues {
  readonly hash: readonly HashKey[];
  /** `host:port`, for a dynamic cluster to find. */
  readonly resolved?: string | undefined;
}

/** What the chosen clusters come to: their endpoints, transport and policy, or an answer where a cluster is unknown. */
export function destination(
  messages: Messages,
  choices: readonly Choice[],
  call: Call,
  { hash, resolved }: Clues,
): Outcome {
  const found = choices.map(choice => ofSubset(choice, call));
  const chosen: ChosenCluster[] = [];
  for (const { cluster: name, percent } of found.filter(c => c.percent > 0)) {
    const cluster = messages.clusters.find(known => known.name === name);
    if (!cluster)
      return {
        choices: found,
        failure: `no cluster ${name}`,
        ...(call.protocol !== 'tcp' && { response: { status: 503 } }),
      };
    chosen.push({ cluster, percent });
  }
  const clusters = chosen.map(({ cluster }) => cluster);
  const transport = [...new Set(clusters.flatMap(transportOf))];
  const [only, another] = clusters;
  return {
    choices: found,
    endpoints: [...new Set(clusters.flatMap(cluster => endpointsOf(messages, cluster, call, resolved)))].sort(),
    ...(transport.length > 0 && { transport }),
    ...(clusters.some(hashes) && hash.length > 0 && { hash }),
    ...upstreamOf(messages, chosen, call),
    ...(only && !another && { clusterPolicy: clusterPolicyOf(messages, only, call) }),
  };
}

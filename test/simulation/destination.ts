import type { Messages } from '../support/translation.ts';
import type { Call, Choice, Outcome } from './call.ts';
import { endpointsOf, ofSubset, transportOf } from './cluster.ts';
import { clusterPolicyOf } from './cluster-policy.ts';

/** What the chosen clusters come to: their endpoints, transport and policy, or an answer where a cluster is unknown. */
export function destination(messages: Messages, chosen: readonly Choice[], call: Call): Outcome {
  const found = chosen.map(choice => ofSubset(choice, call));
  const names = found.filter(c => c.percent > 0).map(c => c.cluster);
  const clusters = messages.clusters.filter(c => names.includes(c.name ?? ''));
  const unknown = names.find(name => !clusters.some(c => c.name === name));
  if (unknown !== undefined)
    return {
      choices: found,
      ...(call.protocol === 'tcp' ? { failure: `no cluster ${unknown}` } : { response: { status: 503 } }),
    };
  const endpoints = [...new Set(clusters.flatMap(cluster => endpointsOf(messages, cluster, call)))].sort();
  const transport = [...new Set(clusters.flatMap(transportOf))];
  const [only, another] = clusters;
  return {
    choices: found,
    endpoints,
    ...(transport.length > 0 && { transport }),
    ...(only && !another && { clusterPolicy: clusterPolicyOf(messages, only, call) }),
  };
}

import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { Messages } from '../../support/translation.ts';
import type { Call, Outcome } from '../call.ts';
import { discoveryOf } from './discovery.ts';
import { assignedEndpoints, drainingOf, type Endpoint, failoverOf } from './endpoint.ts';
import { subjectAltNamesOf } from './upstream-tls.ts';

/** A cluster that is chosen, with its share in percent. */
export interface ChosenCluster {
  readonly cluster: Cluster;
  readonly percent: number;
}

/** Something of the endpoints by their addresses; undefined where none has it. */
function byAddress<V>(
  endpoints: readonly Endpoint[],
  pick: (e: Endpoint) => V | undefined,
): Readonly<Record<string, V>> | undefined {
  const found = endpoints.flatMap(e => {
    const value = pick(e);
    return value === undefined ? [] : [[e.address, value] as const];
  });
  return found.length > 0 ? Object.fromEntries(found) : undefined;
}

const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)].sort();

/** How the chosen clusters come by their endpoints, and what is known of each of those. */
export function upstreamOf(messages: Messages, chosen: readonly ChosenCluster[], call: Call): Outcome {
  const endpoints = chosen.flatMap(({ cluster, percent }) =>
    assignedEndpoints(messages, cluster).map(e => ({ ...e, percent: (e.percent * percent) / 100 })),
  );
  const shares: Record<string, number> = {};
  for (const { address, percent } of endpoints) shares[address] = (shares[address] ?? 0) + percent;
  const endpointLocalities = byAddress(endpoints, e => e.locality);
  const transports = byAddress(endpoints, e => e.transport);
  const draining = unique(chosen.flatMap(({ cluster }) => drainingOf(messages, cluster)));
  const subjectAltNames = unique(chosen.flatMap(({ cluster }) => subjectAltNamesOf(messages, cluster, call)));
  const [only, another] = chosen;
  const failover = only && !another ? failoverOf(messages, only.cluster) : [];
  return {
    ...(endpoints.length > 0 && { shares }),
    ...(endpointLocalities && { endpointLocalities }),
    ...(failover.length > 0 && { failover }),
    ...(draining.length > 0 && { draining }),
    discovery: chosen.map(({ cluster }) => discoveryOf(cluster)),
    ...(transports && { transports }),
    ...(subjectAltNames.length > 0 && { subjectAltNames }),
  };
}

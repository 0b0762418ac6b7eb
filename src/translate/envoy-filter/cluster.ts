import { memo } from '../../memo.ts';
import type { Cluster } from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { TransportSocket } from '../../proto/generated/envoy/config/core/v3.ts';
import { clusterFaults } from './cluster-faults.ts';
import { merge } from './merge.ts';
import { keptName, mergedOrRemoved, type Outcome, outcome, type PatchLog, untouched } from './outcome.ts';
import { type Patch, replacesLists } from './patch.ts';
import { mergedSocket } from './typed-config.ts';

/** The parts of `outbound|9080|v1|reviews.default.svc.cluster.local`, or of its form for SNI (istio: ParseSubsetKey). */
export function clusterNameParts(name: string): {
  readonly direction: string;
  readonly port: number;
  readonly subset: string;
  readonly hostname: string;
} {
  const separator = /^(?:out|in)bound_\./.test(name) ? '_.' : '|';
  const [direction = '', port = '', subset = '', hostname = '', ...more] = name.split(separator);
  const whole = name.includes(separator);
  return {
    direction: whole ? direction : '',
    port: /^\d+$/.test(port) ? Number(port) : 0,
    subset,
    hostname: more.length ? '' : hostname,
  };
}

function matches({ name = '' }: Cluster, { match }: Patch, hosts: readonly string[]): boolean {
  const wanted = match.cluster;
  if (!wanted) return true;
  if (wanted.name) return wanted.name === name;
  const { direction, port, subset, hostname } = clusterNameParts(name);
  const hostnames = direction === 'inbound' && hosts.length ? hosts : [hostname];
  return (
    (!wanted.subset || wanted.subset === subset) &&
    (!wanted.service || hostnames.includes(wanted.service)) &&
    (!wanted.portNumber || wanted.portNumber === port)
  );
}

/** A patch with a transport socket merges that and nothing else (istio: mergeTransportSocketCluster). */
function withSocket(cluster: Cluster, added: TransportSocket, patch: Patch<Cluster>, log: PatchLog): Cluster {
  const { transport_socket_matches: byMatch = [], transport_socket: own } = cluster;
  if (byMatch.length) {
    const index = byMatch.findIndex(m => m.transport_socket && m.transport_socket.name === added.name);
    const found = byMatch[index];
    if (!found?.transport_socket) return cluster;
    const transport_socket = mergedSocket(found.transport_socket, added, patch, log);
    return { ...cluster, transport_socket_matches: byMatch.with(index, { ...found, transport_socket }) };
  }
  if (!own || own.name !== added.name) return { ...cluster, transport_socket: added };
  return { ...cluster, transport_socket: mergedSocket(own, added, patch, log) };
}

function merged(cluster: Cluster, patch: Patch<Cluster>, log: PatchLog): Cluster {
  const socket = patch.value.transport_socket;
  return socket
    ? withSocket(cluster, socket, patch, log)
    : merge('envoy.config.cluster.v3.Cluster', cluster, patch.value, replacesLists(patch));
}

const patchMatched = memo(
  (cluster: Cluster, patches: readonly Patch<Cluster>[], ...hosts: readonly string[]): Outcome<Cluster> =>
    outcome(
      cluster,
      (keep, log) => {
        const result = mergedOrRemoved(
          cluster,
          patches.filter(keep),
          (made, patch) => matches(made, patch, hosts),
          (made, patch) => keptName(log, patch, made, merged(made, patch, log)),
          log.applied,
        );
        return result && Object.freeze(result);
      },
      clusterFaults,
    ),
);

/**
 * Merges the patches of a context into a cluster, or removes it (istio: ApplyClusterMerge). `hosts` are the Services behind an inbound
 * cluster, whose name has none.
 */
export function patchCluster(
  cluster: Cluster,
  patches: readonly Patch<Cluster>[],
  hosts: readonly string[],
): Outcome<Cluster> {
  if (!patches.some(patch => matches(cluster, patch, hosts))) return untouched(cluster);
  return patchMatched(cluster, patches, ...hosts);
}

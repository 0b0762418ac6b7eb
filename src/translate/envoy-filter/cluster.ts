import { memo } from '../../memo.ts';
import type { Cluster } from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { TransportSocket } from '../../proto/generated/envoy/config/core/v3.ts';
import { EnvoyFilter_Patch_Operation as Operation } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { clusterFaults } from './cluster-faults.ts';
import { merge, mergeAny } from './merge.ts';
import { fail, keptName, type Outcome, outcome, type PatchLog } from './outcome.ts';
import { merges, type Patch, replacesLists } from './patch.ts';

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

/** The transport socket with the configuration of another one merged into it. */
function mergedSocket(socket: TransportSocket, patch: Patch<Cluster>, log: PatchLog): TransportSocket {
  const config = patch.value.transport_socket?.typed_config;
  if (!socket.typed_config || !config) return socket;
  const merged = mergeAny(socket.typed_config, config);
  if (typeof merged !== 'string') return { ...socket, typed_config: merged };
  fail(log, patch, merged);
  return socket;
}

/** A patch with a transport socket merges that and nothing else (istio: mergeTransportSocketCluster). */
function withSocket(cluster: Cluster, added: TransportSocket, patch: Patch<Cluster>, log: PatchLog): Cluster {
  const { transport_socket_matches: byMatch = [], transport_socket: own } = cluster;
  if (byMatch.length) {
    const index = byMatch.findIndex(m => m.transport_socket && m.transport_socket.name === added.name);
    const found = byMatch[index];
    if (!found?.transport_socket) return cluster;
    const transport_socket = mergedSocket(found.transport_socket, patch, log);
    return { ...cluster, transport_socket_matches: byMatch.with(index, { ...found, transport_socket }) };
  }
  if (!own || own.name !== added.name) return { ...cluster, transport_socket: added };
  return { ...cluster, transport_socket: mergedSocket(own, patch, log) };
}

function patched(
  original: Cluster,
  patches: readonly Patch<Cluster>[],
  hosts: readonly string[],
  log: PatchLog,
): Cluster | undefined {
  let cluster = original;
  for (const patch of patches) {
    if (!matches(cluster, patch, hosts)) continue;
    if (patch.operation === Operation.REMOVE) {
      log.applied.add(patch);
      return undefined;
    }
    if (!merges(patch)) continue;
    log.applied.add(patch);
    const socket = patch.value.transport_socket;
    const merged = socket
      ? withSocket(cluster, socket, patch, log)
      : merge('envoy.config.cluster.v3.Cluster', cluster, patch.value, replacesLists(patch));
    cluster = keptName(log, patch, cluster, merged);
  }
  return cluster;
}

const untouched = memo((message: Cluster): Outcome<Cluster> => Object.freeze({ message, filters: [], failures: [] }));

const patchMatched = memo(
  (cluster: Cluster, patches: readonly Patch<Cluster>[], ...hosts: readonly string[]): Outcome<Cluster> =>
    outcome(
      cluster,
      (keep, log) => {
        const result = patched(cluster, patches.filter(keep), hosts, log);
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

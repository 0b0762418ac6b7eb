import { addTo } from '../../lists.ts';
import { memo } from '../../memo.ts';
import type { ServiceTarget } from '../../model/services/service.ts';
import type { Cluster } from '../../proto/generated/envoy/config/cluster/v3.ts';
import { EnvoyFilter_PatchContext as Context } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { SDS_EXTERNAL_CLUSTER } from '../clusters/sds.ts';
import { INBOUND_PASSTHROUGH_CLUSTER } from '../names.ts';
import type { ClusterResource } from '../resource.ts';
import { clusterNameParts, patchCluster } from './cluster.ts';
import { clusterFaults } from './cluster-faults.ts';
import { type PatchedList, type PatchedParts, patchedList, patchedResource, withAdditions } from './list.ts';
import { addingIn } from './patch.ts';
import type { ContextPatches } from './patch-set.ts';

const isInbound = (name: string): boolean => name.startsWith('inbound|') || name === INBOUND_PASSTHROUGH_CLUSTER;

function contextOf({ name }: ClusterResource, contexts: readonly ContextPatches[]): ContextPatches | undefined {
  // The way to the agent's credentials is no matter of the mesh.
  if (name === SDS_EXTERNAL_CLUSTER) return undefined;
  const [first, inbound] = contexts;
  return inbound && isInbound(name) ? inbound : first;
}

/** The Services behind inbound clusters, by port; for a Sidecar's port without a Service, the Sidecar's name. */
const inboundHosts = memo((targets: readonly ServiceTarget[]): ReadonlyMap<number, readonly string[]> => {
  const hosts = new Map<number, string[]>();
  for (const { targetPort, service } of targets) addTo(hosts, targetPort, service.hostname);
  return hosts;
});

const patchedClusters = memo(
  (
    list: readonly ClusterResource[],
    contexts: readonly ContextPatches[],
    targets: readonly ServiceTarget[],
    sidecar: string,
  ): PatchedList<Cluster> =>
    patchedList(list, resource => {
      const context = contextOf(resource, contexts);
      if (!context?.clusters.length) return { resource, failures: [] };
      const inbound = context.context === Context.SIDECAR_INBOUND;
      const hosts = inbound ? inboundHosts(targets).get(clusterNameParts(resource.name).port) : undefined;
      return patchedResource(
        'envoy.config.cluster.v3.Cluster',
        resource,
        patchCluster(resource.message, context.clusters, hosts ?? (inbound && sidecar ? [sidecar] : [])),
      );
    }),
);

const hasInbound = memo((list: readonly ClusterResource[]): boolean => list.some(({ name }) => isInbound(name)));
const NO_TARGETS: readonly ServiceTarget[] = [];

/** The clusters of a proxy after its patches. Only inbound ones depend on what the workload serves. */
export function patchClusters(
  parts: readonly (readonly ClusterResource[])[],
  contexts: readonly ContextPatches[],
  targets: readonly ServiceTarget[],
  sidecar: string,
): PatchedParts<Cluster> {
  const patched = parts.map(list =>
    hasInbound(list)
      ? patchedClusters(list, contexts, targets, sidecar)
      : patchedClusters(list, contexts, NO_TARGETS, ''),
  );
  return withAdditions(
    'envoy.config.cluster.v3.Cluster',
    patched,
    contexts.flatMap(({ context, clusters }) => addingIn(context, clusters)),
    clusterFaults,
  );
}

/** Where the proxy is, as far as load balancing asks: locality, topology labels, and those of its own labels that rules name. */

import { compare } from '../../istio/object.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { memo, one } from '../../memo.ts';
import type { Locality } from '../../model/endpoints/endpoint.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { Hostname } from '../../model/services/service.ts';
import type { TrafficPolicy } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { ClusterScope } from '../destinations/cluster-scope.ts';
import type { LbReads } from '../destinations/lb-setting.ts';

export interface ProxyLocation {
  readonly locality: Locality;
  readonly labels: Readonly<Record<string, string>>;
}

const SUBZONE = 'topology.istio.io/subzone';
const REGION = 'topology.kubernetes.io/region';
const ZONE = 'topology.kubernetes.io/zone';
const CLUSTER = 'topology.istio.io/cluster';
const NETWORK = 'topology.istio.io/network';
const NODE = 'kubernetes.io/hostname';

/** A label of the proxy: its pod's, with the topology labels that Istio adds (istio: labelutil.AugmentLabels). */
function proxyLabel({ locality, node, network, clusterId }: Traits, own: Workload['labels'], label: string): string {
  const pod = own[label] ?? '';
  switch (label) {
    case REGION:
      return locality.region || pod;
    case ZONE:
      return locality.zone || pod;
    case SUBZONE:
      return locality.subzone || pod;
    case CLUSTER:
      return clusterId || pod;
    case NODE:
      return node?.name || pod;
    case NETWORK:
      return pod || network;
    default:
      return pod;
  }
}

const nameOf = (entry: string): string => entry.split('=', 1)[0] ?? entry;

function* prioritiesOf(policy: TrafficPolicy | undefined): Generator<string> {
  for (const level of policy ? [policy, ...(policy.portLevelSettings ?? [])] : []) {
    yield* level.loadBalancer?.localityLbSetting?.failoverPriority ?? [];
    yield* level.loadBalancer?.zoneAwareLbSetting?.failoverPriority ?? [];
  }
}

const labelsRead = memo(
  (rules: ReadonlyMap<Hostname, EffectiveDestinationRule>, mesh: MeshSettings): readonly string[] => {
    const names = new Set([REGION, ZONE, SUBZONE, CLUSTER, NETWORK, NODE]);
    for (const entry of mesh.config.localityLbSetting?.failoverPriority ?? []) names.add(nameOf(entry));
    for (const entry of mesh.config.zoneAwareLbSetting?.failoverPriority ?? []) names.add(nameOf(entry));
    for (const { rule } of rules.values()) {
      for (const entry of prioritiesOf(rule.spec.trafficPolicy)) names.add(nameOf(entry));
      for (const subset of rule.spec.subsets ?? [])
        for (const entry of prioritiesOf(subset.trafficPolicy)) names.add(nameOf(entry));
    }
    return [...names].sort(compare);
  },
);

const location = (place: Locality, labels: ProxyLocation['labels']): ProxyLocation =>
  one({ locality: place, labels: one(labels) });

/** The location of a proxy. Interned: proxies in one location share it, whatever other labels they carry. */
export const locationOf = memo(
  ({ destinationRules, mesh }: ClusterScope, workload: Workload, traits: Traits): ProxyLocation => {
    const labels: Record<string, string> = {};
    for (const name of labelsRead(destinationRules, mesh)) {
      const value = proxyLabel(traits, workload.labels, name);
      if (value) labels[name] = value;
    }
    return location(traits.locality, labels);
  },
);

/** The part of a location that load balancing reads (`readsOf`), so that what is made from it is shared as widely as it can be. */
export const locationRead = memo((whole: ProxyLocation, reads: LbReads): ProxyLocation | undefined => {
  if (reads === 'nothing') return undefined;
  if (reads === 'locality') return location(whole.locality, {});
  const names = new Set(reads.map(nameOf));
  return location(whole.locality, Object.fromEntries(Object.entries(whole.labels).filter(([name]) => names.has(name))));
});

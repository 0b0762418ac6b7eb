/** Which of locality and zone-aware load balancing is in force for a cluster (istio: loadbalancer.GetEffectiveLbSetting). */

import type { Service } from '../../model/services/service.ts';
import type { MeshConfig } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import type {
  LoadBalancerSettings,
  LocalityLoadBalancerSetting,
  ZoneAwareLoadBalancerSetting,
} from '../../proto/generated/istio/networking/v1alpha3.ts';

export type LbSetting =
  | {
      readonly kind: 'locality';
      readonly setting: LocalityLoadBalancerSetting | undefined;
      /** Failover works without outlier detection: the Service's own traffic distribution asks for it. */
      readonly force: boolean;
    }
  | { readonly kind: 'zoneAware'; readonly setting: ZoneAwareLoadBalancerSetting };

const preferSame = (...labels: readonly string[]): LbSetting => ({
  kind: 'locality',
  setting: { enabled: { value: true }, failoverPriority: labels },
  force: true,
});

const DISTRIBUTION = {
  PreferSameZone: preferSame(
    'topology.istio.io/network',
    'topology.kubernetes.io/region',
    'topology.kubernetes.io/zone',
  ),
  PreferSameNode: preferSame(
    'topology.istio.io/network',
    'topology.kubernetes.io/region',
    'topology.kubernetes.io/zone',
    'topology.istio.io/subzone',
    'kubernetes.io/hostname',
  ),
} as const;

const locality = (setting: LocalityLoadBalancerSetting): LbSetting | undefined =>
  setting.enabled?.value === false ? undefined : { kind: 'locality', setting, force: false };

/** The rule's setting, then the Service's traffic distribution, then the mesh's; undefined where locality load balancing is off. */
export function effectiveLbSetting(
  mesh: MeshConfig,
  rule: LoadBalancerSettings | undefined,
  service: Service,
): LbSetting | undefined {
  if (rule?.zoneAwareLbSetting) return { kind: 'zoneAware', setting: rule.zoneAwareLbSetting };
  if (rule?.localityLbSetting) return locality(rule.localityLbSetting);
  if (service.trafficDistribution !== 'Any') return DISTRIBUTION[service.trafficDistribution];
  if (mesh.zoneAwareLbSetting) return { kind: 'zoneAware', setting: mesh.zoneAwareLbSetting };
  if (mesh.localityLbSetting) return locality(mesh.localityLbSetting);
  return undefined;
}

/** Whether zone-aware routing is on: unless it is switched off by hand. */
export const zoneAwareEnabled = (setting: ZoneAwareLoadBalancerSetting): boolean => setting.enabled?.value !== false;

/** What of the proxy's own location priorities and weights depend on: its locality, and labels where a list names them. */
export type LbReads = 'nothing' | 'locality' | readonly string[];

export function readsOf(lb: LbSetting | undefined, outlierDetection: boolean): LbReads {
  if (!lb) return 'nothing';
  if (lb.kind === 'zoneAware') {
    if (!zoneAwareEnabled(lb.setting)) return 'nothing';
    return lb.setting.failoverPriority?.length ? lb.setting.failoverPriority : 'locality';
  }
  if (lb.setting?.distribute?.length) return 'locality';
  if (!lb.setting || !(outlierDetection || lb.force)) return 'nothing';
  return lb.setting.failoverPriority?.length ? lb.setting.failoverPriority : 'locality';
}

/** What several clusters read together. */
export function allReads(reads: readonly LbReads[]): LbReads {
  const labels = reads.flatMap(read => (typeof read === 'string' ? [] : read));
  if (labels.length) return labels;
  return reads.includes('locality') ? 'locality' : 'nothing';
}

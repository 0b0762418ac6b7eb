import type { DestinationRule } from '../../istio/config.ts';
import { memo } from '../../memo.ts';
import type { Service } from '../../model/services/service.ts';
import type { MeshConfig } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import { allReads, effectiveLbSetting, type LbReads, readsOf } from './lb-setting.ts';
import { portPolicy, subsetPolicy, withMeshDefaults } from './traffic-policy.ts';

/** What of the proxy's location the endpoints of a Service's clusters depend on, subsets included. */
export const locationReads = memo((mesh: MeshConfig, rule: DestinationRule | undefined, service: Service): LbReads => {
  const reads: LbReads[] = [];
  for (const { port } of service.ports) {
    const base = withMeshDefaults(mesh, portPolicy(rule?.spec.trafficPolicy, port));
    for (const subset of [undefined, ...(rule?.spec.subsets ?? [])]) {
      const policy = subsetPolicy(base, subset?.trafficPolicy, port);
      const lb = effectiveLbSetting(mesh, policy?.loadBalancer, service);
      reads.push(readsOf(lb, policy?.outlierDetection !== undefined));
    }
  }
  return allReads(reads);
});

import type { DestinationRule } from '../../istio/config.ts';
import type { MeshConfig } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import {
  type LoadBalancerSettings,
  LoadBalancerSettings_SimpleLB as Simple,
  type TrafficPolicy,
} from '../../proto/generated/istio/networking/v1alpha3.ts';

/** The settings in force for one port of a cluster. */
export type PortPolicy = Omit<TrafficPolicy, 'portLevelSettings'>;

const levelOf = (policy: TrafficPolicy | undefined, port: number | undefined) =>
  port === undefined ? undefined : policy?.portLevelSettings?.find(level => level.port?.number === port);

/** The policy of a port: its own level where there is one, which inherits nothing from the policy around it. */
export function portPolicy(policy: TrafficPolicy | undefined, port: number): PortPolicy | undefined {
  const level = levelOf(policy, port);
  if (!level) return policy;
  const { connectionPool, loadBalancer, outlierDetection, tls } = level;
  return { connectionPool, loadBalancer, outlierDetection, tls };
}

/** The policy of a subset: block by block over that of its rule; a port level of the subset replaces all four blocks it can hold. */
export function subsetPolicy(
  rule: PortPolicy | undefined,
  subset: TrafficPolicy | undefined,
  port: number,
): PortPolicy | undefined {
  const over = portPolicy(subset, port);
  if (!subset || !over) return rule;
  if (!rule) return over;
  const base = levelOf(subset, port) ? {} : rule;
  return {
    connectionPool: over.connectionPool ?? base.connectionPool,
    outlierDetection: over.outlierDetection ?? base.outlierDetection,
    loadBalancer: over.loadBalancer ?? base.loadBalancer,
    tls: over.tls ?? base.tls,
    tunnel: over.tunnel ?? rule.tunnel,
    proxyProtocol: over.proxyProtocol ?? rule.proxyProtocol,
    retryBudget: over.retryBudget ?? rule.retryBudget,
  };
}

/** What a rule says of load balancing, the narrowest first: the subset's port, the subset, the port, all of it. */
export function balancersOf(
  rule: DestinationRule['spec'] | undefined,
  subset: string,
  port: number | undefined,
): readonly LoadBalancerSettings[] {
  const policies = [rule?.subsets?.find(({ name }) => name === subset)?.trafficPolicy, rule?.trafficPolicy];
  return policies
    .flatMap(policy => [levelOf(policy, port)?.loadBalancer, policy?.loadBalancer])
    .filter(balancer => balancer !== undefined);
}

/** Whether the settings send connections to the address that the client asked for. */
export const isPassthrough = (settings: LoadBalancerSettings | undefined): boolean =>
  settings?.simple === Simple.PASSTHROUGH;

/** The mesh's default connection pool and outlier detection below what a rule says. */
export function withMeshDefaults(mesh: MeshConfig, policy: PortPolicy | undefined): PortPolicy | undefined {
  const { connectionPool, outlierDetection } = mesh.defaultTrafficPolicy ?? {};
  if (!connectionPool && !outlierDetection) return policy;
  return {
    ...policy,
    connectionPool: policy?.connectionPool ?? connectionPool,
    outlierDetection: policy?.outlierDetection ?? outlierDetection,
  };
}

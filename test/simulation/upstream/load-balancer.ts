import {
  type Cluster,
  Cluster_LbPolicy as LbPolicy,
  type Cluster_SlowStartConfig as SlowStartConfig,
} from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';
import { enumName } from '../message/enum-name.ts';
import { wrappedNumber } from '../message/wrapped-number.ts';

/** How a cluster chooses among the endpoints of a priority. */
export interface LoadBalancer {
  /** Envoy's name of the algorithm. */
  readonly loadBalancer: string;
  /** The least size of a ring, the size of a Maglev table: where they are not Envoy's own. */
  readonly ring?: number;
  readonly table?: number;
  /** How a new endpoint is led to its share. */
  readonly warmup?: { readonly duration: number; readonly minimumPercent: number; readonly aggression: number };
}

function warmupOf(config: SlowStartConfig | undefined): LoadBalancer['warmup'] {
  if (!config) return undefined;
  return {
    duration: milliseconds(config.slow_start_window ?? {}),
    minimumPercent: wrappedNumber(config.min_weight_percent, 10),
    aggression: config.aggression?.default_value ?? 1,
  };
}

/** The load balancer of a cluster; what belongs to an algorithm that is not chosen has no effect. */
export function loadBalancerOf(cluster: Cluster): LoadBalancer {
  const policy = cluster.lb_policy ?? LbPolicy.ROUND_ROBIN;
  const ring = policy === LbPolicy.RING_HASH ? cluster.ring_hash_lb_config?.minimum_ring_size?.value : undefined;
  const table = policy === LbPolicy.MAGLEV ? cluster.maglev_lb_config?.table_size?.value : undefined;
  const warmup =
    policy === LbPolicy.ROUND_ROBIN
      ? warmupOf(cluster.round_robin_lb_config?.slow_start_config)
      : policy === LbPolicy.LEAST_REQUEST
        ? warmupOf(cluster.least_request_lb_config?.slow_start_config)
        : undefined;
  return {
    loadBalancer: enumName(LbPolicy, policy),
    ...(ring !== undefined && { ring }),
    ...(table !== undefined && { table }),
    ...(warmup && { warmup }),
  };
}

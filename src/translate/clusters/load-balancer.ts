/** How a cluster chooses among its endpoints (istio: applyLoadBalancer). */

import {
  type Cluster,
  type Cluster_CommonLbConfig as CommonLbConfig,
  Cluster_LbPolicy as LbPolicy,
  type Cluster_SlowStartConfig as SlowStartConfig,
} from '../../proto/generated/envoy/config/cluster/v3.ts';
import {
  type LoadBalancerSettings,
  LoadBalancerSettings_SimpleLB as Simple,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { type LbSetting, zoneAwareEnabled } from '../destinations/lb-setting.ts';

function slowStart(settings: LoadBalancerSettings | undefined): SlowStartConfig | undefined {
  const warmup = settings?.warmup;
  if (warmup) {
    return {
      slow_start_window: warmup.duration,
      // istiod's own, odd runtime key; nothing ever sets it.
      aggression: { default_value: warmup.aggression ? (warmup.aggression.value ?? 0) : 1, runtime_key: '(' },
      min_weight_percent: { value: warmup.minimumPercent ? (warmup.minimumPercent.value ?? 0) : 10 },
    };
  }
  return settings?.warmupDurationSecs && { slow_start_window: settings.warmupDurationSecs };
}

type Balancer = Pick<Cluster, 'lb_policy'> &
  (
    | Pick<Cluster, 'least_request_lb_config'>
    | Pick<Cluster, 'round_robin_lb_config'>
    | Pick<Cluster, 'ring_hash_lb_config'>
    | Pick<Cluster, 'maglev_lb_config'>
  );

function consistentHash(hash: NonNullable<LoadBalancerSettings['consistentHash']>): Balancer {
  if (hash.maglev) {
    const size = hash.maglev.tableSize;
    return { lb_policy: LbPolicy.MAGLEV, maglev_lb_config: size ? { table_size: { value: size } } : undefined };
  }
  const size = hash.ringHash ? hash.ringHash.minimumRingSize : hash.minimumRingSize || 1024;
  return {
    lb_policy: LbPolicy.RING_HASH,
    ring_hash_lb_config: size ? { minimum_ring_size: { value: size } } : undefined,
  };
}

/** The algorithm: least request unless the settings say otherwise. Not for clusters whose endpoints the client names. */
export function loadBalancer(settings: LoadBalancerSettings | undefined): Balancer {
  if (settings?.consistentHash) return consistentHash(settings.consistentHash);
  const slow_start_config = slowStart(settings);
  switch (settings?.simple) {
    case Simple.RANDOM:
      return { lb_policy: LbPolicy.RANDOM };
    case Simple.ROUND_ROBIN:
      return {
        lb_policy: LbPolicy.ROUND_ROBIN,
        round_robin_lb_config: slow_start_config && { slow_start_config },
      };
    default:
      return {
        lb_policy: LbPolicy.LEAST_REQUEST,
        least_request_lb_config: slow_start_config && { slow_start_config },
      };
  }
}

/** Locality weights or zone-aware routing. */
export function localityConfig(
  lb: LbSetting | undefined,
  outlierDetection: boolean,
): Pick<CommonLbConfig, 'zone_aware_lb_config'> | Pick<CommonLbConfig, 'locality_weighted_lb_config'> {
  if (lb?.kind === 'zoneAware') {
    const size = lb.setting.minClusterSize;
    return {
      zone_aware_lb_config: {
        routing_enabled: zoneAwareEnabled(lb.setting) ? undefined : {},
        min_cluster_size: size && { value: size.value ?? 0 },
      },
    };
  }
  const setting = lb?.setting;
  const failover = (outlierDetection || lb?.force) && (setting?.failover?.length || setting?.failoverPriority?.length);
  return failover || setting?.distribute?.length ? { locality_weighted_lb_config: {} } : {};
}

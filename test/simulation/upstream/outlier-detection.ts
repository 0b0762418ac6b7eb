import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';
import { wrappedNumber } from '../message/wrapped-number.ts';

/** When a cluster takes an endpoint out, and for how long. Durations are milliseconds. */
export interface OutlierDetection {
  /** Failures in a row that suffice; absent where failures of that kind do not count. */
  readonly consecutive5xx?: number;
  readonly gatewayErrors?: number;
  readonly localOriginFailures?: number;
  readonly interval: number;
  readonly baseEjectionTime: number;
  readonly maxEjectionPercent: number;
}

/** The outlier detection of a cluster, with Envoy's defaults; undefined where it has none. */
export function outlierDetectionOf({ outlier_detection: o }: Cluster): OutlierDetection | undefined {
  if (!o) return undefined;
  const local =
    o.split_external_local_origin_errors && wrappedNumber(o.enforcing_consecutive_local_origin_failure, 100) > 0;
  return {
    ...(wrappedNumber(o.enforcing_consecutive_5xx, 100) > 0 && { consecutive5xx: wrappedNumber(o.consecutive_5xx, 5) }),
    ...(wrappedNumber(o.enforcing_consecutive_gateway_failure, 0) > 0 && {
      gatewayErrors: wrappedNumber(o.consecutive_gateway_failure, 5),
    }),
    ...(local && { localOriginFailures: wrappedNumber(o.consecutive_local_origin_failure, 5) }),
    interval: o.interval ? milliseconds(o.interval) : 10_000,
    baseEjectionTime: o.base_ejection_time ? milliseconds(o.base_ejection_time) : 30_000,
    maxEjectionPercent: wrappedNumber(o.max_ejection_percent, 10),
  };
}

/** The share of healthy endpoints, in percent, below which a cluster uses them all; undefined where it never does. */
export function minHealthPercentOf({ common_lb_config: common }: Cluster): number | undefined {
  const threshold = common?.healthy_panic_threshold;
  return wrappedNumber(threshold, 50) || undefined;
}

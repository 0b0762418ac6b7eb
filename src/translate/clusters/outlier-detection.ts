import type { OutlierDetection } from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { UInt32Value } from '../../proto/generated/google/protobuf.ts';
import type { OutlierDetection as Settings } from '../../proto/generated/istio/networking/v1alpha3.ts';

/** A count with its enforcement: 0 switches the check off, everything else ejects always. */
const enforcing = (count: UInt32Value | undefined) => count && { value: (count.value ?? 0) > 0 ? 100 : 0 };

/** Ejection of failing endpoints, by consecutive errors only: checks by success rate are switched off, as istiod does. */
export function outlierDetection(settings: Settings | undefined): OutlierDetection | undefined {
  if (!settings) return undefined;
  const { consecutive5xxErrors, consecutiveGatewayErrors, consecutiveLocalOriginFailures } = settings;
  const local =
    settings.splitExternalLocalOriginErrors && (consecutiveLocalOriginFailures?.value ?? 0) > 0
      ? consecutiveLocalOriginFailures
      : undefined;
  const percent = settings.maxEjectionPercent ?? 0;
  return {
    enforcing_success_rate: { value: 0 },
    consecutive_5xx: consecutive5xxErrors && { value: consecutive5xxErrors.value ?? 0 },
    enforcing_consecutive_5xx: enforcing(consecutive5xxErrors),
    consecutive_gateway_failure: consecutiveGatewayErrors && { value: consecutiveGatewayErrors.value ?? 0 },
    enforcing_consecutive_gateway_failure: enforcing(consecutiveGatewayErrors),
    interval: settings.interval,
    base_ejection_time: settings.baseEjectionTime,
    max_ejection_percent: percent > 0 ? { value: percent } : undefined,
    ...(settings.splitExternalLocalOriginErrors && {
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: local,
      enforcing_consecutive_local_origin_failure: local && { value: 100 },
      enforcing_local_origin_success_rate: { value: 0 },
    }),
  };
}

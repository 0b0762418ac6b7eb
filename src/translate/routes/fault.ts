import { typed } from '../../proto/any.ts';
import type { FaultAbort, HTTPFault } from '../../proto/generated/envoy/extensions/filters/http/fault/v3.ts';
import type { FractionalPercent } from '../../proto/generated/envoy/type/v3.ts';
import { FractionalPercent_DenominatorType } from '../../proto/generated/envoy/type/v3.ts';
import type { Any } from '../../proto/generated/google/protobuf.ts';
import type { HTTPFaultInjection, Percent } from '../../proto/generated/istio/networking/v1alpha3.ts';

/** Istio's percentages have four decimals: 0.0001 % is one in a million. */
export const percentage = (percent: Percent): FractionalPercent => ({
  numerator: Math.trunc((percent.value ?? 0) * 10000),
  denominator: FractionalPercent_DenominatorType.MILLION,
});

/** Whole percents. */
export const wholePercent = (value: number): FractionalPercent => ({
  numerator: value,
  denominator: FractionalPercent_DenominatorType.HUNDRED,
});

/** gRPC's status codes by the names that VirtualServices use. */
const GRPC_STATUS: Readonly<Record<string, number>> = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
};

function abortOf(abort: HTTPFaultInjection['abort']): FaultAbort | undefined {
  if (!abort) return undefined;
  const percent = abort.percentage && { percentage: percentage(abort.percentage) };
  if (abort.httpStatus !== undefined) return { http_status: abort.httpStatus, ...percent };
  if (abort.grpcStatus !== undefined) return { grpc_status: GRPC_STATUS[abort.grpcStatus] ?? 2, ...percent };
  return undefined;
}

/** The fault filter's configuration for one route; undefined where nothing is injected (istio: route.TranslateFault). */
export function fault(injection: HTTPFaultInjection): Any | undefined {
  const { delay } = injection;
  const abort = abortOf(injection.abort);
  const out: HTTPFault = {
    ...(delay?.fixedDelay && {
      delay: {
        fixed_delay: delay.fixedDelay,
        percentage: delay.percentage ? percentage(delay.percentage) : wholePercent(delay.percent ?? 0),
      },
    }),
    ...(abort && { abort }),
  };
  return out.delay || out.abort ? typed('envoy.extensions.filters.http.fault.v3.HTTPFault', out) : undefined;
}

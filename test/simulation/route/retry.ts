import type { RetryPolicy } from '../../../src/proto/generated/envoy/config/route/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';

/** How a request is tried again. Times in milliseconds. */
export interface Retry {
  readonly on: string;
  readonly attempts: number;
  readonly perTryTimeout?: number;
  /** The shortest pause before the second attempt; Envoy's own where absent. */
  readonly backoff?: number;
  /** Statuses that are tried again, where `on` asks for `retriable-status-codes`. */
  readonly statuses?: readonly number[];
  /** Whether endpoints that have failed are avoided. */
  readonly otherHosts: boolean;
  /** Whether other priorities, and that is other localities, are tried. */
  readonly otherLocalities: boolean;
}

/** Reads a policy. */
export function retryOf(policy: RetryPolicy): Retry {
  const { per_try_timeout: perTryTimeout, retry_back_off: pause, retriable_status_codes: statuses = [] } = policy;
  return {
    on: policy.retry_on ?? '',
    attempts: policy.num_retries?.value ?? 1,
    ...(perTryTimeout && { perTryTimeout: milliseconds(perTryTimeout) }),
    ...(pause?.base_interval && { backoff: milliseconds(pause.base_interval) }),
    ...(statuses.length > 0 && { statuses }),
    otherHosts: (policy.retry_host_predicate ?? []).some(p => p.name === 'envoy.retry_host_predicates.previous_hosts'),
    otherLocalities: policy.retry_priority !== undefined,
  };
}

import { STATUS_CODES } from '../../node-http.ts';
import { extension } from '../../proto/any.ts';
import type { RetryPolicy } from '../../proto/generated/envoy/config/route/v3.ts';
import type { HTTPRetry } from '../../proto/generated/istio/networking/v1alpha3.ts';

const DEFAULT_RETRY_ON = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';

const PREVIOUS_HOSTS: RetryPolicy['retry_host_predicate'] = [
  extension(
    'envoy.retry_host_predicates.previous_hosts',
    'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
    {},
  ),
];

const PREVIOUS_PRIORITIES: RetryPolicy['retry_priority'] = extension(
  'envoy.retry_priorities.previous_priorities',
  'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
  {
    update_frequency: 2,
  },
);

/** Splits `retryOn` into Envoy's conditions and status codes; codes alone imply `retriable-status-codes`. */
function conditions(retryOn: string): { retry_on: string; retriable_status_codes?: readonly number[] } {
  const parts = retryOn
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '');
  const isCode = (part: string): boolean => /^\d+$/.test(part) && STATUS_CODES[Number(part)] !== undefined;
  const codes = parts.filter(isCode).map(Number);
  const words = parts.filter(part => !isCode(part));
  const joined = words.join(',');
  if (!codes.length) return { retry_on: joined };
  return {
    retry_on: joined.includes('retriable-status-codes') ? joined : `${joined},retriable-status-codes`,
    retriable_status_codes: codes,
  };
}

/**
 * The retry policy of a route: two retries on another host unless the VirtualService says otherwise; `attempts: 0` is none. With a
 * consistent hash the host is chosen by the request, so previous hosts are not avoided (istio: retry.ConvertPolicy).
 */
export function retryPolicy(retries: HTTPRetry | undefined, hashed: boolean): RetryPolicy | undefined {
  const avoidPrevious = retries?.retryIgnorePreviousHosts?.value ?? !hashed;
  const base: RetryPolicy = {
    retry_on: DEFAULT_RETRY_ON,
    num_retries: { value: 2 },
    ...(avoidPrevious && { retry_host_predicate: PREVIOUS_HOSTS }),
    host_selection_retry_max_attempts: 5,
  };
  if (!retries) return base;
  const attempts = retries.attempts ?? 0;
  if (attempts <= 0) return undefined;
  return {
    ...base,
    num_retries: { value: attempts },
    ...(retries.retryOn && conditions(retries.retryOn)),
    ...(retries.perTryTimeout && { per_try_timeout: retries.perTryTimeout }),
    ...(retries.retryRemoteLocalities?.value && { retry_priority: PREVIOUS_PRIORITIES }),
    ...(retries.backoff && { retry_back_off: { base_interval: retries.backoff } }),
  };
}

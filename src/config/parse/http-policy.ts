import type {
  CorsPolicy,
  HTTPFaultInjection,
  HTTPMirrorPolicy,
  HTTPRetry,
  HTTPRoute,
  Percent,
} from '../../proto/generated/istio/networking/v1alpha3.ts';
import { checkDuration } from '../duration.ts';
import { isHeaderName } from '../header.ts';
import { checkRegex } from '../regex.ts';
import { each, type Report } from '../report.ts';
import { checkDestination } from './destination.ts';
import { checkStatus } from './http-action.ts';

/** Reports a percentage outside of 0 to 100, or finer than Envoy's millionths. */
function checkPercentage(percent: Percent | undefined, path: string, report: Report): void {
  const value = percent?.value ?? 0;
  if (Number.isNaN(value) || value < 0 || value > 100) report.error(`${path}.value`, `${value} is not in 0 to 100`);
  else if (value > 0 && value < 0.0001)
    report.error(`${path}.value`, `${value} is less than 0.0001, the smallest step`);
}

const methods = new Set('GET HEAD POST PUT PATCH DELETE CONNECT OPTIONS TRACE *'.split(' '));

/** Reports a CORS policy that no browser understands. */
export function checkCors(policy: CorsPolicy | undefined, path: string, report: Report): void {
  if (!policy) return;
  each(policy.allowOrigins, `${path}.allowOrigins`, (origin, at) => {
    if (!(origin.exact || origin.prefix || origin.regex)) report.error(at, 'an origin needs something to match');
    if (origin.regex) checkRegex(origin.regex, `${at}.regex`, report);
  });
  each(policy.allowMethods, `${path}.allowMethods`, (method, at) => {
    if (!methods.has(method)) report.error(at, `"${method}" is not an HTTP method`);
  });
  for (const field of ['allowHeaders', 'exposeHeaders'] as const) {
    each(policy[field], `${path}.${field}`, (name, at) => {
      if (name !== '*' && !isHeaderName(name)) report.error(at, `"${name}" is no header's name`);
    });
  }
  checkDuration(policy.maxAge, `${path}.maxAge`, report);
  if (policy.maxAge?.nanos) report.error(`${path}.maxAge`, 'it counts whole seconds');
}

const grpcStatuses = new Set(
  `OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED
  FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED`.split(/\s+/),
);

/** Reports a fault that cannot be injected. */
export function checkFault(fault: HTTPFaultInjection | undefined, path: string, report: Report): void {
  if (!fault) return;
  const { abort, delay } = fault;
  if (!abort && !delay) report.warning(path, 'without an abort or a delay it has no effect');
  if (abort) {
    checkPercentage(abort.percentage, `${path}.abort.percentage`, report);
    if (abort.grpcStatus !== undefined) {
      if (!grpcStatuses.has(abort.grpcStatus)) {
        report.error(`${path}.abort.grpcStatus`, `"${abort.grpcStatus}" is not a gRPC status, such as NOT_FOUND`);
      }
    } else if (abort.http2Error !== undefined) {
      report.error(`${path}.abort.http2Error`, 'HTTP/2 errors cannot be injected');
    } else if (abort.httpStatus !== undefined) {
      checkStatus(abort.httpStatus, `${path}.abort.httpStatus`, report);
    } else {
      report.warning(`${path}.abort`, 'without httpStatus or grpcStatus it has no effect');
    }
  }
  if (!delay) return;
  checkPercentage(delay.percentage, `${path}.delay.percentage`, report);
  checkDuration(delay.fixedDelay, `${path}.delay.fixedDelay`, report);
  if (delay.exponentialDelay) report.error(`${path}.delay.exponentialDelay`, 'it is not supported');
}

const retryConditions = new Set(
  `5xx gateway-error reset reset-before-request connect-failure retriable-4xx refused-stream retriable-status-codes
  retriable-headers envoy-ratelimited http3-post-connect-failure cancelled deadline-exceeded internal resource-exhausted
  unavailable`.split(/\s+/),
);

/** Reports retries that cannot happen. */
export function checkRetries(retries: HTTPRetry | undefined, path: string, report: Report): void {
  if (!retries) return;
  const attempts = retries.attempts ?? 0;
  if (attempts < 0) report.error(`${path}.attempts`, `${attempts} is negative`);
  if (attempts === 0 && (retries.perTryTimeout || retries.retryOn || retries.retryRemoteLocalities)) {
    report.warning(`${path}.attempts`, '0 attempts mean no retries, and the rest says how to retry');
  }
  checkDuration(retries.perTryTimeout, `${path}.perTryTimeout`, report);
  checkDuration(retries.backoff, `${path}.backoff`, report);
  for (const condition of retries.retryOn ? retries.retryOn.split(',') : []) {
    if (!retryConditions.has(condition) && !/^[1-5]\d\d$/.test(condition)) {
      report.error(`${path}.retryOn`, `"${condition}" is neither a retry condition nor an HTTP status`);
    }
  }
}

/** Checks where requests are copied to, and gives the mirrors that are valid. */
export function checkMirrors(route: HTTPRoute, path: string, report: Report): readonly HTTPMirrorPolicy[] | undefined {
  if (route.mirror) checkDestination(route.mirror, `${path}.mirror`, report);
  if (route.mirror && route.mirrors?.length) {
    report.error(`${path}.mirror`, 'only one of mirror and mirrors may be set');
  }
  if ((route.mirrorPercent?.value ?? 0) > 100) report.error(`${path}.mirrorPercent`, 'it is above 100');
  checkMirrorPercentage(route.mirrorPercentage, `${path}.mirrorPercentage`, report);
  return report.keep(route.mirrors, `${path}.mirrors`, (mirror, at) => {
    checkDestination(mirror.destination, `${at}.destination`, report);
    checkMirrorPercentage(mirror.percentage, `${at}.percentage`, report);
  });
}

function checkMirrorPercentage(percent: Percent | undefined, path: string, report: Report): void {
  const value = percent?.value ?? 0;
  if (!(value >= 0 && value <= 100)) report.error(`${path}.value`, `${value} is not in 0 to 100`);
}

import { isObject } from '../unknown.ts';

const record = (value: unknown): Readonly<Record<string, unknown>> => (isObject(value) ? value : {});

/** The API server said no: an HTTP status or the `Status` object of an ERROR event. */
export class ApiError extends Error {
  /** The HTTP status code. */
  readonly code: number;
  /** Kubernetes' word for it, such as `Expired` or `Forbidden`; may be empty. */
  readonly reason: string;
  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number;
  /** The resource version asked for is no longer, or not yet, known: what is held must be compared with a new list. */
  readonly expired: boolean;

  constructor(code: number, status: unknown, retryAfterMs = 0) {
    const { message, reason, details } = record(status);
    const { causes, retryAfterSeconds } = record(details);
    super(typeof message === 'string' && message ? message : `HTTP ${code}`);
    this.code = code;
    this.reason = typeof reason === 'string' ? reason : '';
    this.retryAfterMs = retryAfterMs || (typeof retryAfterSeconds === 'number' ? retryAfterSeconds * 1000 : 0);
    const tooLarge =
      Array.isArray(causes) && causes.some(cause => record(cause)['reason'] === 'ResourceVersionTooLarge');
    this.expired = code === 410 || this.reason === 'Expired' || this.reason === 'Gone' || tooLarge;
  }

  /** The `Status` object of an ERROR event in a watch. */
  static ofStatus(status: unknown): ApiError {
    const { code } = record(status);
    return new ApiError(typeof code === 'number' ? code : 500, status);
  }
}

/** One line that says why a request failed. */
export function failureLine(error: unknown): string {
  if (error instanceof ApiError)
    return error.reason ? `${error.code} ${error.reason}: ${error.message}` : error.message;
  if (error instanceof AggregateError && error.errors.length) return failureLine(error.errors[0]);
  return error instanceof Error ? error.message || error.name : String(error);
}

import { type BoundName, sentenceOf } from '../bounds.ts';

/** gRPC's status codes: https://grpc.io/docs/guides/status-codes/ */
export const status = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** One of the codes. */
export type Status = (typeof status)[keyof typeof status];

/** Ends a call with a gRPC status. */
export class StatusError extends Error {
  readonly code: Status;

  constructor(code: Status, message: string) {
    super(message);
    this.code = code;
  }
}

/** Ends a call because a bound is met; the status names it. */
export class BoundError extends StatusError {
  readonly bound: BoundName;

  /** `met` says by what, where the bound alone does not tell. */
  constructor(bound: BoundName, met?: string) {
    const code = bound.endsWith('-ms') ? status.DEADLINE_EXCEEDED : status.RESOURCE_EXHAUSTED;
    super(code, `${met === undefined ? '' : `${met}; `}${sentenceOf(bound)}`);
    this.bound = bound;
  }
}

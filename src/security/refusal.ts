import type { Status } from '../grpc/status.ts';

/** Why a peer is not served. */
export interface Refusal {
  readonly ok: false;
  /** istiod's code for it. */
  readonly code: Status;
  /** What the peer is told. */
  readonly message: string;
  /** What the log says; a peer that is not known yet learns nothing of it. */
  readonly reason: string;
}

/** Refuses; `reason` says more than the peer is told. */
export const refused = (code: Status, message: string, reason: string = message): Refusal => ({
  ok: false,
  code,
  message,
  reason,
});

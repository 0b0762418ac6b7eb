import type { Duration } from '../proto/generated/google/protobuf.ts';
import type { Report } from './report.ts';

/** A duration in milliseconds, with what is below them as a fraction. */
export const milliseconds = (duration: Duration): number =>
  (duration.seconds ?? 0) * 1000 + (duration.nanos ?? 0) / 1_000_000;

/** Reports a duration below 1 ms or finer than milliseconds: Envoy's timers count in them. */
export function checkDuration(duration: Duration | undefined, path: string, report: Report): void {
  if (!duration) return;
  if (milliseconds(duration) < 1) report.error(path, 'a duration must be at least 1ms');
  else if ((duration.nanos ?? 0) % 1_000_000 !== 0) report.error(path, 'a duration counts whole milliseconds');
}

/** As checkDuration, where 0 is allowed and means: never. */
export function checkDurationOrNever(duration: Duration | undefined, path: string, report: Report): void {
  if (duration && milliseconds(duration) !== 0) checkDuration(duration, path, report);
}

/** Reports a negative duration. */
export function checkNotNegative(duration: Duration | undefined, path: string, report: Report): void {
  if (duration && milliseconds(duration) < 0) report.error(path, 'a duration must not be negative');
}

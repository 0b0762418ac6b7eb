import { formatFraction } from './duration.ts';
import type { Timestamp } from './generated/google/protobuf.ts';

/** A Timestamp of this many milliseconds since 1970. */
export function timestamp(milliseconds: number): Timestamp {
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanos: Math.round((milliseconds - seconds * 1000) * 1_000_000) };
}

/** protojson's form: RFC 3339 in UTC with 0, 3, 6 or 9 digits of fraction. */
export function formatTimestamp(t: Timestamp): string {
  const whole = new Date((t.seconds ?? 0) * 1000).toISOString().slice(0, 19);
  return `${whole}${formatFraction(t.nanos ?? 0)}Z`;
}

/** Reads RFC 3339; undefined if it is anything else. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!match) return undefined;
  const at = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(at)) return undefined;
  return { seconds: at / 1000, nanos: Number((match[2] ?? '').padEnd(9, '0')) };
}

import assert from 'node:assert/strict';
import { type Logger, pino } from 'pino';

/** One line of a log. */
export interface LogLine {
  readonly level: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly msg: string;
  readonly err?: string;
  readonly watches?: readonly string[];
}

/** A logger and what it has written. */
export function memoryLog(): { readonly log: Logger; readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  return {
    log: pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) }),
    lines,
  };
}

/**
 * Whether lines about watches gather all to which the same happens within two seconds: however long it takes to happen to all of them, one does not
 * follow another at once.
 */
export function assertGathered(lines: readonly LogLine[]): void {
  assert.ok(lines.length > 0);
  const last = new Map<string, number>();
  for (const { msg, err = '', time } of lines) {
    const what = `${msg} ${err.split(':', 1)}`;
    // A timer counts from the turn of the event loop that set it, and on a slow machine that may have begun a good while before.
    assert.ok(time - (last.get(what) ?? 0) >= 1_000, JSON.stringify(lines, undefined, 1));
    last.set(what, time);
  }
}

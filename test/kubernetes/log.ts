import { type Logger, pino } from 'pino';

/** One line of a log. */
export interface LogLine {
  readonly level: number;
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

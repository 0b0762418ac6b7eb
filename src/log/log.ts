import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import pino from 'pino';
import { bounds } from '../bounds.ts';
import type { LogLevel } from './log-level.ts';

/** Structured logs on standard error: one line an event, machine-readable, without secrets. */
export type Log = pino.Logger;

const cut = (text: string): string => {
  const { most } = bounds['log-text'];
  return text.length > most ? `${text.slice(0, most)}… (${text.length} characters)` : text;
};

const short = (value: unknown): unknown => {
  if (typeof value === 'string') return cut(value);
  if (!Array.isArray(value)) return value;
  const { most } = bounds['log-items'];
  const items = value.slice(0, most).map(short);
  return value.length > most ? [...items, `… (${value.length} in all)`] : items;
};

/** The fields of a line, none longer than a line may be: what peers and files say has no bound of its own. */
const shortFields = (fields: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, short(value)]));

/** An error's fields; a failure that has been put into words already stays as it is. */
const errorFields = (error: unknown): unknown =>
  error instanceof Error ? shortFields(pino.stdSerializers.err(error)) : short(error);

/** How often each sentence has been said in the present stretch of time. */
class Repeats {
  readonly #said = new Map<string, { times: number }>();
  readonly #sum: (sentence: string, times: number) => void;

  constructor(sum: (sentence: string, times: number) => void) {
    this.#sum = sum;
  }

  /** Whether a sentence may be said once more; how often it was not is said at the end of the stretch. */
  allows(sentence: string): boolean {
    const said = this.#said.get(sentence);
    if (said) return ++said.times <= bounds['log-repeats'].most;
    const first = { times: 1 };
    this.#said.set(sentence, first);
    const end = setTimeout(() => {
      this.#said.delete(sentence);
      if (first.times > bounds['log-repeats'].most) this.#sum(sentence, first.times - bounds['log-repeats'].most);
    }, bounds['log-stretch'].most);
    end.unref();
    return true;
  }
}

/** Milliseconds without progress after which nobody is thought to read. */
const UNREAD = 1_000;

/**
 * Standard error, written to without waiting for its reader: what finds no room is dropped, and counted. Once the program wants to end, what is
 * left is written for as long as somebody reads it.
 */
class StandardError {
  readonly #out: ReturnType<typeof pino.destination>;
  #ending = false;
  #dropped = 0;
  #waiting = 0;
  #progress = 0;

  constructor(onDropped: (lines: number) => void) {
    // A write to a pipe or socket that nobody reads would hold a thread that the process cannot end without; opened as a stream they do not block.
    const kind = fstatSync(2);
    if (kind.isFIFO() || kind.isSocket()) new Socket({ fd: 2, readable: false }).unref();
    // Before pino's own, which would wait for a reader.
    process.prependOnceListener('exit', () => this.#flush());
    this.#out = pino.destination({
      fd: 2,
      sync: false,
      maxLength: bounds['log-bytes'].most,
      retryEAGAIN: () => !this.#ending || this.#isRead(),
    });
    this.#out.on('write', (bytes: number) => {
      this.#waiting -= bytes;
      this.#progress = performance.now();
    });
    this.#out.on('drop', (line: string) => {
      this.#waiting -= Buffer.byteLength(line);
      this.#dropped++;
    });
    this.#out.on('drain', () => {
      const lines = this.#dropped;
      this.#dropped = 0;
      if (lines) onDropped(lines);
    });
    // Whoever read it is gone: that is no reason to end.
    this.#out.on('error', () => {});
  }

  write(line: string): void {
    if (this.#waiting === 0) this.#progress = performance.now();
    this.#waiting += Buffer.byteLength(line);
    this.#out.write(line);
  }

  end(): void {
    this.#ending = true;
  }

  #isRead(): boolean {
    return performance.now() - this.#progress < UNREAD;
  }

  #flush(): void {
    this.#ending = true;
    try {
      if (this.#waiting > 0 && this.#isRead()) this.#out.flushSync();
    } catch {
      // Nobody reads.
    }
    this.#out.destroy();
  }
}

/** A log of which nothing is written. */
export const silentLog: Log = pino({ level: 'silent' });

/** The program's log, and `end`, after which it keeps the process for no longer than somebody reads it. */
export interface ProgramLog {
  readonly log: Log;
  end(): void;
}

/** Its lines are short, a sentence that is said again and again is counted, and nothing waits for who reads it. */
export function createLog(level: LogLevel): ProgramLog {
  const out = new StandardError(lines => log.warn({ lines }, 'lines of the log were dropped, since nobody read them'));
  const repeats = new Repeats((said, times) => log.warn({ said, times }, 'the same was to be said more often'));
  const log: Log = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }), log: shortFields },
      serializers: { err: errorFields },
      hooks: {
        logMethod(line, method) {
          const sentence = line.find(part => typeof part === 'string') ?? '';
          if (repeats.allows(sentence)) method.apply(this, line);
        },
      },
    },
    out,
  );
  return { log, end: () => out.end() };
}

import pino from 'pino';
import type { LogLevel } from './settings.ts';

/** Structured logs on standard error: one line an event, machine-readable, without secrets. */
export type Log = pino.Logger;

/** The program's log. */
export const createLog = (level: LogLevel): Log =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  );

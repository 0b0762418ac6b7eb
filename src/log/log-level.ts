/** Which lines are written, from all to none. Apart from the log itself, so that `--help` does not load it. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

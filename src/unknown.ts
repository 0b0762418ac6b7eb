/** Whether a value of which nothing is known is an object with fields: no null, and no list. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The text that a value is; empty where it is none. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What was caught, in its own words. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Shapes that istiod's pages have because Go writes them. */

/** Fields with something in them (`omitempty`). */
export const filled = (fields: Readonly<Record<string, string | object | undefined>>): object =>
  Object.fromEntries(
    Object.entries(fields).filter(([, value]) => (typeof value === 'object' ? Object.keys(value).length > 0 : value)),
  );

/** A map or a list that nobody made is null. */
export const nullIfEmpty = <T extends object>(values: T): T | null => (Object.keys(values).length ? values : null);

/** A set is a map to nothing. */
export const setOf = (words: readonly string[]): object => Object.fromEntries(words.map(word => [word, {}]));

/** A time without fractions that are zero, of milliseconds since 1970. */
export const goTime = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');

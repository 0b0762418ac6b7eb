/**
 * Runs what depends on how fast the machine is, given the milliseconds that suffice for a quick one; where that fails, again with five times as
 * many, and once more. What is wrong fails with any.
 */
export async function patiently<T>(ms: number, body: (ms: number) => Promise<T>): Promise<T> {
  for (const longer of [ms, 5 * ms])
    try {
      return await body(longer);
    } catch {}
  return body(25 * ms);
}

/**
 * How slow the machine is, from 1 to 8: by what something has taken, in milliseconds, that is done in `usual` where nothing else is. So many times as
 * long lives what is to be replaced in time.
 */
export const slowness = (took: number, usual: number): number => Math.min(8, Math.max(1, Math.ceil(took / usual)));

/**
 * Runs what depends on how fast the machine is, given the milliseconds that suffice for a quick one; where that fails, again with ten times as
 * many, and once more. What is wrong fails with any.
 */
export async function patiently<T>(ms: number, body: (ms: number) => Promise<T>): Promise<T> {
  for (const longer of [ms, 10 * ms])
    try {
      return await body(longer);
    } catch {}
  return body(100 * ms);
}

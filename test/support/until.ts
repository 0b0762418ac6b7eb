import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Waits until `probe` resolves to something truthy, and resolves to that. A probe that throws has not succeeded yet. The limit only ends a
 * test that hangs: no test is about how long something takes.
 */
export async function until<T>(what: string, probe: () => T | Promise<T>, limitMs = 60_000): Promise<NonNullable<T>> {
  const deadline = performance.now() + limitMs;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const value = await probe();
      if (value) {
        // Counts as what a test has asserted.
        assert.ok(value);
        return value;
      }
      last = value;
    } catch (error) {
      last = error;
    }
    await pause(20);
  }
  throw new Error(`waited in vain for ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

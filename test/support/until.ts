import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Milliseconds after which what has not come will not come. It ends a test that hangs, and nothing else: no test is about how long something
 * takes, and a machine that is slow or busy with other things takes many times as long as is usual.
 */
export const HANGING_MS = 180_000;

/** Waits until `probe` resolves to something truthy, and resolves to that. A probe that throws has not succeeded yet. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  limitMs = HANGING_MS,
): Promise<NonNullable<T>> {
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

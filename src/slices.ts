import { setImmediate as turn } from 'node:timers/promises';

/** So long, in milliseconds, everything else may wait for a piece of work. */
const share = 2;

/**
 * Does work that yields between slices, and lets others have their turn when it has had its share. What the work returns; undefined where
 * `signal` aborts before that.
 */
export async function inSlices<T>(work: Generator<undefined, T>, signal: AbortSignal): Promise<T | undefined> {
  let began = performance.now();
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    if (performance.now() - began < share) continue;
    await turn();
    if (signal.aborted) return undefined;
    began = performance.now();
  }
}

/** What work in slices returns, without its pauses. */
export function inOneGo<T>(work: Generator<unknown, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

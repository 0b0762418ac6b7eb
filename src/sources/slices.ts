import { setImmediate as turn } from 'node:timers/promises';

/** So long, in milliseconds, everything else may wait for a piece of work. */
const share = 5;

/** Does work that yields between slices, and lets others have their turn when it has had its share. Ends early where `signal` aborts. */
export async function inSlices(work: Generator<undefined, void>, signal: AbortSignal): Promise<void> {
  let began = performance.now();
  while (!work.next().done) {
    if (performance.now() - began < share) continue;
    await turn();
    if (signal.aborted) return;
    began = performance.now();
  }
}

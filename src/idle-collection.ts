import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from './clock.ts';

/** Milliseconds from one look to the next. */
const LOOK_EVERY = 10_000;
/** A process is idle if it worked for no more than this part of the time since the last look. */
const IDLE = 0.1;
/** What has come since the last collection is worth another one if it is this part of what was left then, and so many bytes at least. */
const WORTH = { part: 0.2, bytes: 8 << 20 } as const;

/** A process whose garbage can be collected. */
export interface Collected {
  /** The part of the time in which it worked since it was last asked. */
  worked(): number;
  /** Bytes on the heap, and what the heap holds beside it. */
  used(): number;
  collect(): Promise<void>;
}

/** This process. Collecting 100 MB takes some tens of milliseconds. */
function thisProcess(): Collected {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { type: 'major'; execution: 'async' }) => Promise<void>;
  let last = performance.eventLoopUtilization();
  return {
    worked() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
    used() {
      const { used_heap_size, external_memory } = getHeapStatistics();
      return used_heap_size + external_memory;
    },
    collect: () => collect({ type: 'major', execution: 'async' }),
  };
}

/**
 * Collects garbage while there is nothing else to do. V8 collects when it needs room: what a storm has left would stay in memory for as long as it
 * is quiet afterwards.
 */
export function collectWhenIdle(clock: Clock, of: Collected = thisProcess()): void {
  let left = 0;
  const look = async (): Promise<void> => {
    const isIdle = of.worked() <= IDLE;
    if (isIdle && of.used() - left > Math.max(left * WORTH.part, WORTH.bytes)) {
      await of.collect();
      left = of.used();
    }
    clock.after(LOOK_EVERY, look);
  };
  clock.after(LOOK_EVERY, look);
}

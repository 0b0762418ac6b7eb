import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Exponential waits with jitter. The waits grow until `reset`, which callers grant only to what has worked for a while: a server that
 * accepts a request and drops it at once is not a working server.
 */
export class Backoff {
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #failures = 0;

  constructor(baseMs: number, maxMs: number, random: () => number = Math.random) {
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** The next wait in milliseconds: between half and all of `base * 2^failures`, at most `max`. */
  next(): number {
    const full = Math.min(this.#maxMs, this.#baseMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return full * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** A value within ±`spread` of `ms`, so that many watches of many replicas do not act together. */
export const jitter = (ms: number, spread = 0.3): number => ms * (1 + spread * (2 * Math.random() - 1));

/** Waits; returns early, without an error, when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

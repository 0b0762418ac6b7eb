import type { Clock } from '../../src/clock.ts';

/** A clock that stands still: nobody is cut off for having been waited for, as on a slow machine anybody may be. */
export const stillClock: Clock = { now: () => 0, after: () => () => {} };

/** A clock that stands still until it is told to go on. */
export class HeldClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Goes on by so many milliseconds, and runs what is due by then in the order of its time. */
  pass(ms: number): void {
    this.#now += ms;
    const due = [...this.#timers].filter(({ at }) => at <= this.#now).sort((a, b) => a.at - b.at);
    for (const timer of due) if (this.#timers.delete(timer)) timer.run();
  }
}

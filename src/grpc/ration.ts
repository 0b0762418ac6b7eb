import { type Clock, steadyClock } from '../clock.ts';

/** Milliseconds of work for newcomers after which there is a rest. */
const SLICE = 3;
/** Milliseconds of rest for each of work. */
const REST = 1;

/** What is done for newcomers. Where several wait they take turns. */
export type Work = 'connections' | 'requests' | 'responses';

/** Above so many newcomers that wait for their first response nobody else is let in: those who are here are served first. */
const CROWD = 100;

/**
 * The time that there is for newcomers: those who have acknowledged nothing yet, and may be anybody. Whatever is done for them is accounted
 * here, and after each slice of it there is a rest for as long, in which the event loop is free: what is known is pushed, what changed is read,
 * probes are answered. So newcomers take half of the time at most, however many there are, and nobody waits for more of them than a slice.
 */
export class Ration {
  readonly #clock: Clock;
  readonly #waiting = new Map<Work, () => void>();
  /** How many newcomers wait for a response: whoever answers them says. */
  guests: () => number = () => 0;
  #until = 0;
  #resting = false;
  #scheduled = false;

  constructor(clock: Clock = steadyClock) {
    this.#clock = clock;
  }

  /** Whether something may be done for a newcomer now. */
  get open(): boolean {
    if (this.#clock.now() >= this.#until) this.#resting = false;
    return !this.#resting;
  }

  /** Whether nobody else is to be let in for now. */
  get crowded(): boolean {
    return this.guests() >= CROWD;
  }

  /** Does something for a newcomer. */
  use<T>(work: () => T): T {
    const began = this.#clock.now();
    try {
      return work();
    } finally {
      const now = this.#clock.now();
      this.#until = Math.max(this.#until, began) + (now - began) * (1 + REST);
      if (this.#until - now > SLICE * REST) this.#resting = true;
    }
  }

  /** Goes on with what waits once there is time for it. */
  wait(work: Work, goOn: () => void): void {
    if (!this.#waiting.has(work)) this.#waiting.set(work, goOn);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.after(Math.max(1, this.#until - this.#clock.now()), () => {
      this.#scheduled = false;
      // What has more to do waits again, behind the others.
      for (const [work, goOn] of [...this.#waiting]) {
        if (!this.open) break;
        this.#waiting.delete(work);
        goOn();
      }
      if (this.#waiting.size > 0) this.#schedule();
    });
  }
}

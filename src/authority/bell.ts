import { pause } from '../kubernetes/backoff.ts';

/** Ends the waiting of who looks from time to time. */
export class Bell {
  #rung = false;
  #waiting: AbortController | undefined;

  /** There is something new to look at. */
  ring(): void {
    this.#rung = true;
    this.#waiting?.abort();
  }

  /** Waits for so many milliseconds, or until it rings or has rung since it was last waited for. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#rung) {
      this.#waiting = new AbortController();
      await pause(ms, AbortSignal.any([signal, this.#waiting.signal]));
      this.#waiting = undefined;
    }
    this.#rung = false;
  }
}

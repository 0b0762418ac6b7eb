import { pause } from '../kubernetes/backoff.ts';
import { type Permit, PermitError } from '../kubernetes/writer.ts';

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

/** Something that a leader looks at from time to time. */
export interface Looked {
  readonly bell: Bell;
  /** Resolves to the milliseconds until the next look, if the bell does not ring before. */
  look(): Promise<number>;
  /** The same after a look that failed. */
  readonly again: number;
  /** Told of the first of failures in a row. */
  failed(error: unknown): void;
}

/** Looks for as long as a term lasts. */
export async function lookOut({ bell, look, again, failed }: Looked, term: Permit): Promise<void> {
  let failing = false;
  while (term.held()) {
    let wait = again;
    try {
      wait = await look();
      failing = false;
    } catch (error) {
      if (error instanceof PermitError || term.signal.aborted) return;
      if (!failing) failed(error);
      failing = true;
    }
    await bell.wait(wait, term.signal);
  }
}

import type { ServerResponse } from 'node:http';
import { StatusError, status } from '../grpc/status.ts';

/**
 * Milliseconds of work on pages at once, and of rest after it: pages take half of a core at most, and a push that takes several turns of the
 * event loop meets few slices.
 */
const SLICE = 2;
/** Bytes that are written at once. */
const CHUNK = 64 * 1024;

/** Work that is over soon after `until`, a time of `performance.now()`. */
type Turn = (until: number) => void;

/**
 * Makes and writes pages beside the pushes: in turns, for a slice, and only while their clients read. A page that nobody reads costs what has
 * been made of it and no work.
 *
 * The loop goes on when a page is added, after the rest that follows a slice, and when a client has read what it was sent.
 */
export class PageWriter {
  readonly #turns: Turn[] = [];
  #scheduled = false;

  /** Makes a page when it is its turn. */
  make(page: () => void): void {
    this.#add(page);
  }

  /** Writes a body whose head has been written. `fail` is called if a piece cannot be made. */
  write(response: ServerResponse, pieces: Iterator<string>, fail: (error: unknown) => void): void {
    const slice = (until: number): void => {
      if (response.destroyed) return;
      try {
        if (writeSlice(response, pieces, until)) return;
      } catch (error) {
        fail(error);
        return;
      }
      if (response.writableNeedDrain) response.once('drain', () => this.#add(slice));
      else this.#add(slice);
    };
    this.#add(slice);
  }

  /** Does work that yields, for a slice at a time; rejects where nobody waits for it any more. */
  work(steps: Iterator<unknown>, waited: { readonly over: boolean }): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const slice = (until: number): void => {
      try {
        if (waited.over) throw new StatusError(status.CANCELLED, 'nobody waits for the answer');
        let done = steps.next().done;
        while (!done && performance.now() < until) done = steps.next().done;
        if (done) resolve();
        else this.#add(slice);
      } catch (error) {
        reject(error);
      }
    };
    this.#add(slice);
    return promise;
  }

  #add(turn: Turn): void {
    this.#turns.push(turn);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#turns.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      const until = performance.now() + SLICE;
      do this.#turns.shift()?.(until);
      while (this.#turns.length > 0 && performance.now() < until);
      setTimeout(() => {
        this.#scheduled = false;
        this.#schedule();
      }, SLICE).unref();
    });
  }
}

/** Writes what can be made by then; whether it was the last. */
function writeSlice(response: ServerResponse, pieces: Iterator<string>, until: number): boolean {
  let text = '';
  do {
    const next = pieces.next();
    if (next.done) {
      response.end(text);
      return true;
    }
    text += next.value;
  } while (text.length < CHUNK && performance.now() < until);
  response.write(text);
  return false;
}

/** One for all: pages of every port, and those asked for over xDS, share the event loop's turns. */
export const pageWriter = new PageWriter();

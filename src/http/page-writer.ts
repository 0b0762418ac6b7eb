import type { ServerResponse } from 'node:http';

/** Milliseconds of work on pages before the event loop has a turn: pushes wait for no more. */
const SLICE = 4;
/** Bytes that are written at once. */
const CHUNK = 64 * 1024;

/**
 * Makes and writes pages beside the pushes: each in turn for a slice, and only while its client reads. A page that nobody reads costs what has
 * been made of it and no work.
 *
 * The loop goes on when a page is added, when the event loop comes round after a slice, and when a client has read what it was sent.
 */
export class PageWriter {
  readonly #turns: (() => void)[] = [];
  #scheduled = false;

  /** Resolves when it is a page's turn to be made. */
  turn(): Promise<void> {
    return new Promise(resolve => this.#add(resolve));
  }

  /** Writes a body whose head has been written. `fail` is called if a piece cannot be made. */
  write(response: ServerResponse, pieces: Iterator<string>, fail: (error: unknown) => void): void {
    const slice = (): void => {
      if (response.destroyed) return;
      try {
        if (writeSlice(response, pieces)) return;
      } catch (error) {
        fail(error);
        return;
      }
      if (response.writableNeedDrain) response.once('drain', () => this.#add(slice));
      else this.#add(slice);
    };
    this.#add(slice);
  }

  #add(turn: () => void): void {
    this.#turns.push(turn);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#turns.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turns.shift()?.();
      this.#schedule();
    });
  }
}

/** Writes what can be made in a slice; whether it was the last. */
function writeSlice(response: ServerResponse, pieces: Iterator<string>): boolean {
  const until = performance.now() + SLICE;
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

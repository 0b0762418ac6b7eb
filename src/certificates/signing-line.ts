import { Turns } from '../security/turns.ts';

/** Milliseconds of rest after what nobody waits for, so that a push of tens of milliseconds meets one signature or two. */
const PAUSE = 30;
/** Milliseconds of rest at most. */
const LONGEST = 50;

const rest = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

type Task = () => Promise<void>;

/**
 * Signs one after the other, with rests between, so that pushes are not held up however many certificates are due at once. Who waits to be let
 * in comes first, connections in turn; after each there is a rest for as long as it took, and after what nobody waits for a longer one.
 */
export class SigningLine {
  readonly #first = new Turns<Task>();
  readonly #later = new Turns<Task>();
  #running = false;

  /** Signs for somebody who waits at a connection; undefined where the wait is over when it is their turn. */
  first<T>(connection: string, isOver: () => boolean, sign: () => Promise<T>): Promise<T | undefined> {
    return this.#add(this.#first, connection, async () => (isOver() ? undefined : sign()));
  }

  /** Signs for somebody who still has a certificate. */
  later<T>(sign: () => Promise<T>): Promise<T> {
    return this.#add(this.#later, '', sign);
  }

  #add<T>(turns: Turns<Task>, of: string, sign: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      turns.add(of, () => sign().then(resolve, reject));
      if (this.#running) return;
      this.#running = true;
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    for (;;) {
      const waiting = this.#first.next();
      const next = waiting ?? this.#later.next();
      if (!next) break;
      const began = performance.now();
      await next();
      const took = performance.now() - began;
      // What came to nothing took nothing.
      if (took > 0.2) await rest(Math.min(LONGEST, waiting ? took : Math.max(PAUSE, 4 * took)));
    }
    this.#running = false;
  }
}

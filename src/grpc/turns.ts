import type { Ration } from './ration.ts';

/** Something that has more to do than it got done in its turn. */
export interface Waiting {
  /** Whether it goes before those that nobody knows yet. */
  readonly known: boolean;
  /** Whether it is in the middle of something: that is ended before anything else of its kind is begun, so that little is held meanwhile. */
  readonly begun: boolean;
  /** Whether it is in line: for `Turns`. Sets that are asked would be filled and emptied with every push. */
  inLine: boolean;
  /** Does one piece of its work; tells whether there is more. */
  step(): boolean;
}

/** Those who wait, who has begun something first. */
class Line {
  readonly #begun = new Set<Waiting>();
  readonly #others = new Set<Waiting>();

  get size(): number {
    return this.#begun.size + this.#others.size;
  }

  add(one: Waiting): void {
    one.inLine = true;
    (one.begun ? this.#begun : this.#others).add(one);
  }

  delete(one: Waiting): void {
    one.inLine = false;
    this.#begun.delete(one);
    this.#others.delete(one);
  }

  /** Takes the next one out. */
  next(): Waiting | undefined {
    const [one] = this.#begun.size > 0 ? this.#begun : this.#others;
    if (one) this.delete(one);
    return one;
  }
}

/** Milliseconds of work before the event loop has a turn. */
const SLICE = 4;

/**
 * Shares the time between those who have something to say. Most find nobody waiting and do all their work at once; once a slice is used up,
 * everybody waits in line, and each does one piece of work a round: who says much is served no sooner than who says little. Those whom nobody
 * knows yet have a line of their own, and the time that there is for newcomers.
 */
export class Turns {
  readonly #ration: Ration;
  readonly #known = new Line();
  readonly #others = new Line();
  #until = 0;
  #scheduled = false;

  constructor(ration: Ration) {
    this.#ration = ration;
  }

  /** Does all that there is to do, as far as it is its turn. What is left is done in the turns that come. */
  run(one: Waiting): void {
    if (one.inLine) return;
    if (this.#until === 0) {
      this.#until = performance.now() + SLICE;
      this.#schedule();
    }
    let more = true;
    while (more && this.#mayGoOn(one)) more = this.#step(one);
    if (!more) return;
    this.#lineOf(one).add(one);
    this.#schedule();
  }

  /** Takes one out of line. */
  remove(one: Waiting): void {
    if (!one.inLine) return;
    this.#known.delete(one);
    this.#others.delete(one);
  }

  #mayGoOn({ known }: Waiting): boolean {
    if (performance.now() >= this.#until || this.#known.size > 0) return false;
    return known || (this.#others.size === 0 && this.#ration.open);
  }

  #step(one: Waiting): boolean {
    return one.known ? one.step() : this.#ration.use(() => one.step());
  }

  #lineOf({ known }: Waiting): Line {
    return known ? this.#known : this.#others;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#until = 0;
      this.#round();
      if (this.#known.size > 0) this.#schedule();
      else if (this.#others.size > 0) this.#ration.wait('requests', () => this.#schedule());
    });
  }

  #round(): void {
    const until = performance.now() + SLICE;
    for (const line of [this.#known, this.#others])
      while (performance.now() < until && (line === this.#known || this.#ration.open)) {
        const one = line.next();
        if (!one) break;
        if (this.#step(one)) this.#lineOf(one).add(one);
      }
  }
}

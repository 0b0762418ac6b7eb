import type { Clock } from '../clock.ts';

/** How answers are remembered. */
export interface Memory<T> {
  readonly clock: Clock;
  /** Until when an answer that was given now is good, in milliseconds since 1970. */
  readonly until: (answer: T, now: number) => number;
  /** How many answers are kept: the oldest makes room for the next. */
  readonly mostKnown: number;
  /** How many questions are under way or wait for their turn. */
  readonly mostAsked: number;
  /** How many are under way at once. */
  readonly atOnce: number;
  /** How long an answer may take, in milliseconds. */
  readonly mostMs: number;
}

/** No more questions are taken. */
export class CrowdedError extends Error {}

/**
 * Answers from elsewhere, each good for a while. However many ask the same at once, it is asked once; what failed is not remembered, and
 * rejects for all who asked. What is held is bounded in number and by time.
 */
export class Remembered<T> {
  readonly #memory: Memory<T>;
  readonly #known = new Map<string, { readonly answer: T; readonly until: number }>();
  readonly #asked = new Map<string, Promise<T>>();
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(memory: Memory<T>) {
    this.#memory = memory;
  }

  /** The answer that is known for the key, or what `ask` gives. Rejects as `ask` does, or with a CrowdedError. */
  async get(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#known.get(key);
    if (known && this.#memory.clock.now() < known.until) return known.answer;
    this.#known.delete(key);
    const asked = this.#asked.get(key);
    if (asked) return asked;
    if (this.#asked.size >= this.#memory.mostAsked) throw new CrowdedError();
    const begun = this.#ask(key, ask);
    this.#asked.set(key, begun);
    return begun;
  }

  async #ask(key: string, ask: () => Promise<T>): Promise<T> {
    if (this.#underWay < this.#memory.atOnce) this.#underWay++;
    else await new Promise<void>(turn => this.#waiting.push(turn));
    try {
      const answer = await this.#inTime(ask());
      this.#keep(key, answer);
      return answer;
    } finally {
      this.#asked.delete(key);
      const next = this.#waiting.shift();
      if (next) next();
      else this.#underWay--;
    }
  }

  async #inTime(answer: Promise<T>): Promise<T> {
    const { clock, mostMs } = this.#memory;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const cancel = clock.after(mostMs, () => reject(new Error(`no answer within ${mostMs} ms`)));
    try {
      return await Promise.race([answer, late]);
    } finally {
      cancel();
    }
  }

  #keep(key: string, answer: T): void {
    const { clock, until, mostKnown } = this.#memory;
    this.#known.set(key, { answer, until: until(answer, clock.now()) });
    for (const [oldest] of this.#known) {
      if (this.#known.size <= mostKnown) break;
      this.#known.delete(oldest);
    }
  }
}

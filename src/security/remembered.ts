import type { Clock } from '../clock.ts';
import { Turns } from './turns.ts';

/** How answers are remembered. */
export interface Memory<T> {
  readonly clock: Clock;
  /** Until when an answer that was given now is good, in milliseconds since 1970. */
  readonly until: (answer: T, now: number) => number;
  /** How many answers are kept of those that are good for long, and as many of the others: the oldest makes room for the next of its kind. */
  readonly mostKnown: number;
  /** Whether an answer is good for long: such ones are not forgotten for others, which anybody may cause. */
  readonly lasts: (answer: T) => boolean;
  /** How many questions are under way or wait for their turn. */
  readonly mostAsked: number;
  /** How many are under way at once. */
  readonly atOnce: number;
  /** How long an answer may take, in milliseconds. */
  readonly mostMs: number;
}

/** No more questions are taken. */
export class CrowdedError extends Error {}

interface Known<T> {
  readonly answer: T;
  readonly until: number;
}

/** A question that waits for its turn. */
interface Waiting {
  readonly begin: () => void;
  readonly giveUp: (error: CrowdedError) => void;
}

/**
 * Answers from elsewhere, each good for a while. However many ask the same at once, it is asked once; what failed is not remembered, and
 * rejects for all who asked. What is held is bounded in number and by time. Questions of different origins take turns, and where there are too many
 * the origin that has most gives up its last.
 */
export class Remembered<T> {
  readonly #memory: Memory<T>;
  readonly #lasting = new Map<string, Known<T>>();
  readonly #passing = new Map<string, Known<T>>();
  readonly #asked = new Map<string, Promise<T>>();
  /** By origin. */
  readonly #waiting = new Turns<Waiting>();
  #underWay = 0;

  constructor(memory: Memory<T>) {
    this.#memory = memory;
  }

  /** The answer that is known for the key, or what `ask` gives. Rejects as `ask` does, or with a CrowdedError. `origin` is who wants to know. */
  async get(key: string, ask: () => Promise<T>, origin = ''): Promise<T> {
    for (const known of [this.#lasting, this.#passing]) {
      const found = known.get(key);
      if (found && this.#memory.clock.now() < found.until) return found.answer;
      known.delete(key);
    }
    const asked = this.#asked.get(key);
    if (asked) return asked;
    if (this.#asked.size >= this.#memory.mostAsked) this.#makeRoom(origin);
    const begun = this.#ask(key, ask, origin);
    this.#asked.set(key, begun);
    return begun;
  }

  async #ask(key: string, ask: () => Promise<T>, origin: string): Promise<T> {
    try {
      if (this.#underWay < this.#memory.atOnce) this.#underWay++;
      else await this.#turn(origin);
      try {
        const answer = await this.#inTime(ask());
        this.#keep(key, answer);
        return answer;
      } finally {
        this.#next();
      }
    } finally {
      this.#asked.delete(key);
    }
  }

  #turn(origin: string): Promise<void> {
    return new Promise((begin, giveUp) => this.#waiting.add(origin, { begin, giveUp }));
  }

  #next(): void {
    const next = this.#waiting.next();
    if (next) next.begin();
    else this.#underWay--;
  }

  /** Throws where nobody else has more waiting than who asks. */
  #makeRoom(origin: string): void {
    const last = this.#waiting.last(origin);
    if (!last) throw new CrowdedError();
    last.giveUp(new CrowdedError());
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
    const { clock, until, lasts, mostKnown } = this.#memory;
    const known = lasts(answer) ? this.#lasting : this.#passing;
    known.set(key, { answer, until: until(answer, clock.now()) });
    for (const [oldest] of known) {
      if (known.size <= mostKnown) break;
      known.delete(oldest);
    }
  }
}

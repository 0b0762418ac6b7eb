import { type BoundName, bound } from '../bounds.ts';
import type { Clock } from '../clock.ts';
import type { Log } from './log.ts';

/** Milliseconds in which a bound that is met again and again is said once, with how often. */
const EVERY = 10_000;

interface Unsaid {
  times: number;
  peer: string | undefined;
}

/** Says that a bound was met: at once, and after that no more often than every ten seconds. */
export class BoundLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #unsaid = new Map<BoundName, Unsaid>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  met(name: BoundName, peer: string | undefined): void {
    const unsaid = this.#unsaid.get(name);
    if (unsaid) {
      unsaid.times++;
      unsaid.peer = peer;
      return;
    }
    this.#say(name, { times: 1, peer });
    const later: Unsaid = { times: 0, peer };
    this.#unsaid.set(name, later);
    this.#clock.after(EVERY, () => {
      this.#unsaid.delete(name);
      if (later.times > 0) this.#say(name, later);
    });
  }

  #say(name: BoundName, { times, peer }: Unsaid): void {
    const { most, unit } = bound(name);
    this.#log.warn({ bound: name, most, unit, peer, times }, 'a bound was met');
  }
}

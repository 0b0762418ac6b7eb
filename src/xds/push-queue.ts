import type { Clock } from '../clock.ts';

/** What bounds the work on responses. */
export interface PushLimits {
  /** Responses that are being written at once. */
  readonly inFlight: number;
  /** Milliseconds of work before the event loop has a turn. */
  readonly slice: number;
  /** Milliseconds after which a response that its client does not read no longer counts as being written. */
  readonly stall: number;
}

interface Slot {
  readonly since: number;
}

/**
 * Takes connections in turn, each at most once in the queue. What they are sent is computed when it is their turn, so a queue costs no
 * memory and holds nothing stale.
 *
 * The loop goes on when a connection is enqueued, when a response has been written, when the event loop comes round after a slice, and
 * when responses have been stalled for long enough to be left to themselves.
 */
export class PushQueue<C extends object> {
  readonly #limits: PushLimits;
  readonly #clock: Clock;
  readonly #serve: (connection: C, release: () => void) => boolean;
  readonly #onIdle: () => void;
  readonly #queued = new Set<C>();
  readonly #slots = new Set<Slot>();
  #order: C[] = [];
  #head = 0;
  #scheduled = false;
  #cancelStall: (() => void) | undefined;

  /** `serve` sends one response at most and says whether it does; if so it calls `release` once the response has been written. */
  constructor(
    limits: PushLimits,
    clock: Clock,
    serve: (connection: C, release: () => void) => boolean,
    onIdle: () => void,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#serve = serve;
    this.#onIdle = onIdle;
  }

  /** Connections that wait for their turn. */
  get length(): number {
    return this.#queued.size;
  }

  /** Gives a connection a turn. */
  enqueue(connection: C): void {
    if (this.#queued.has(connection)) return;
    this.#queued.add(connection);
    this.#order.push(connection);
    this.#schedule();
  }

  /** Forgets a connection. */
  remove(connection: C): void {
    this.#queued.delete(connection);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#run();
    });
  }

  #run(): void {
    const until = this.#clock.now() + this.#limits.slice;
    while (this.#head < this.#order.length) {
      if (this.#slots.size >= this.#limits.inFlight) {
        this.#awaitSlot();
        return;
      }
      if (this.#clock.now() > until) {
        this.#schedule();
        return;
      }
      const connection = this.#order[this.#head++];
      if (!connection || !this.#queued.delete(connection)) continue;
      const slot = { since: this.#clock.now() };
      this.#slots.add(slot);
      if (!this.#serve(connection, () => this.#release(slot))) this.#slots.delete(slot);
    }
    this.#order = [];
    this.#head = 0;
    if (this.#slots.size === 0) this.#onIdle();
  }

  #release(slot: Slot): void {
    if (!this.#slots.delete(slot)) return;
    if (this.#head < this.#order.length || this.#slots.size === 0) this.#schedule();
  }

  #awaitSlot(): void {
    this.#cancelStall ??= this.#clock.after(this.#limits.stall, () => {
      this.#cancelStall = undefined;
      const stalled = this.#clock.now() - this.#limits.stall;
      for (const slot of this.#slots) if (slot.since <= stalled) this.#slots.delete(slot);
      this.#schedule();
    });
  }

  /** Stops waiting for stalled responses. */
  close(): void {
    this.#cancelStall?.();
    this.#order = [];
    this.#queued.clear();
    this.#head = 0;
  }
}

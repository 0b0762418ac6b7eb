import type { Clock } from '../clock.ts';
import type { Ration } from '../grpc/ration.ts';
import { Line } from './line.ts';

/** What bounds the work on responses. */
export interface PushLimits {
  /** Bytes of responses that are on their way out at once, to those that have acknowledged something, and as many to those that have not. */
  readonly inFlight: number;
  /** Milliseconds of work before the event loop has a turn. */
  readonly slice: number;
  /** Milliseconds after which a response that its client does not read no longer counts as being on its way. */
  readonly stall: number;
}

/** What a queue knows of those that wait in it. */
export interface Waiter {
  /** Whether it has ever acknowledged anything: whoever has is served before those that have not. */
  readonly known: boolean;
  /** The connection that it is a stream of. Connections take turns, and so do the streams of each. */
  readonly transport: object;
  /** Where it waits, if it does: the queue's own. A map beside it would be filled and emptied with every push. */
  waitsIn: object | undefined;
}

interface Slot {
  readonly lane: { inFlight: number };
  bytes: number;
  readonly since: number;
}

/** Those of one connection that wait. */
interface Group<C> {
  readonly waiters: Line<C>;
  /** Whether it has a turn coming. */
  inLine: boolean;
}

/** Those that wait, by connection; the one whose turn it is comes first. */
class Lane<C extends Waiter> {
  readonly #groups = new WeakMap<object, Group<C>>();
  readonly #turns = new Line<Group<C>>();
  /** How many wait. */
  size = 0;
  /** Bytes that are on their way. */
  inFlight = 0;

  add(waiter: C): void {
    waiter.waitsIn = this;
    this.size++;
    const group = this.#groupOf(waiter.transport);
    group.waiters.push(waiter);
    if (group.inLine) return;
    group.inLine = true;
    this.#turns.push(group);
  }

  /** Takes one out that waits here. */
  delete(waiter: C): void {
    if (waiter.waitsIn !== this) return;
    waiter.waitsIn = undefined;
    this.size--;
    this.#groups.get(waiter.transport)?.waiters.delete(waiter);
  }

  /** Takes the next one out. */
  next(): C | undefined {
    for (let group = this.#turns.shift(); group; group = this.#turns.shift()) {
      const waiter = group.waiters.shift();
      group.inLine = group.waiters.size > 0;
      if (group.inLine) this.#turns.push(group);
      if (!waiter) continue;
      waiter.waitsIn = undefined;
      this.size--;
      return waiter;
    }
    return undefined;
  }

  #groupOf(transport: object): Group<C> {
    const known = this.#groups.get(transport);
    if (known) return known;
    const made = { waiters: new Line<C>(), inLine: false };
    this.#groups.set(transport, made);
    return made;
  }
}

/**
 * Takes streams in turn, each at most once in the queue. What they are sent is computed when it is their turn, so a queue costs no
 * memory and holds nothing stale.
 *
 * What is bounded are bytes on their way out. They count until they have left the process, or for as long as a client that reads may need:
 * one that does not read takes nothing from those that do. The time that those have who have acknowledged nothing is the `Ration`'s.
 *
 * The loop goes on when a stream is enqueued, when a response has been written, when the event loop comes round after a slice, and
 * when responses have been stalled for long enough to be left to themselves.
 */
export class PushQueue<C extends Waiter> {
  readonly #limits: PushLimits;
  readonly #clock: Clock;
  readonly #ration: Ration;
  readonly #serve: (waiter: C, release: () => void) => number;
  readonly #onIdle: () => void;
  readonly #known = new Lane<C>();
  readonly #others = new Lane<C>();
  readonly #slots = new Set<Slot>();
  #scheduled = false;
  #cancelStall: (() => void) | undefined;

  /** `serve` sends one response at most and gives its bytes, or 0; if it sends one it calls `release` once that has left the process. */
  constructor(
    limits: PushLimits,
    clock: Clock,
    ration: Ration,
    serve: (waiter: C, release: () => void) => number,
    onIdle: () => void,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#ration = ration;
    this.#serve = serve;
    this.#onIdle = onIdle;
    ration.guests = () => this.#others.size;
  }

  /** Streams that wait for their turn. */
  get length(): number {
    return this.#known.size + this.#others.size;
  }

  /** Gives a stream a turn. */
  enqueue(waiter: C): void {
    const lane = waiter.known ? this.#known : this.#others;
    if (waiter.waitsIn === lane) return;
    this.remove(waiter);
    lane.add(waiter);
    this.#schedule();
  }

  /** Forgets a stream. */
  remove(waiter: C): void {
    this.#known.delete(waiter);
    this.#others.delete(waiter);
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
    const until = performance.now() + this.#limits.slice;
    for (let lane = this.#nextLane(); lane; lane = this.#nextLane()) {
      const waiter = lane.next();
      if (!waiter) continue;
      if (lane === this.#known) this.#send(lane, waiter);
      else this.#ration.use(() => this.#send(lane, waiter));
      if (performance.now() <= until) continue;
      this.#schedule();
      return;
    }
    if (this.#ready(this.#others)) this.#ration.wait('responses', () => this.#schedule());
    else if (this.length > 0) this.#wait();
    else if (this.#slots.size === 0) this.#onIdle();
  }

  /**
   * Whose turn it is; nobody's where all that wait must wait for bytes to leave, or for the time of newcomers. Who is known goes first: rounds of
   * pushes are spaced, so that there is time left between them.
   */
  #nextLane(): Lane<C> | undefined {
    if (this.#ready(this.#known)) return this.#known;
    return this.#ration.open && this.#ready(this.#others) ? this.#others : undefined;
  }

  #ready(lane: Lane<C>): boolean {
    return lane.size > 0 && lane.inFlight < this.#limits.inFlight;
  }

  #send(lane: Lane<C>, waiter: C): void {
    const slot: Slot = { lane, bytes: 0, since: this.#clock.now() };
    this.#slots.add(slot);
    const bytes = this.#serve(waiter, () => this.#release(slot));
    if (bytes === 0) this.#slots.delete(slot);
    if (!this.#slots.has(slot)) return;
    slot.bytes = bytes;
    lane.inFlight += bytes;
  }

  #release(slot: Slot): void {
    if (!this.#slots.delete(slot)) return;
    slot.lane.inFlight -= slot.bytes;
    if (this.length > 0 || this.#slots.size === 0) this.#schedule();
  }

  /** Goes on when responses have been stalled for long enough. */
  #wait(): void {
    this.#cancelStall ??= this.#clock.after(this.#limits.stall, () => {
      this.#cancelStall = undefined;
      const stalled = this.#clock.now() - this.#limits.stall;
      for (const slot of [...this.#slots]) if (slot.since <= stalled) this.#release(slot);
      this.#schedule();
    });
  }

  /** Stops waiting for stalled responses. */
  close(): void {
    this.#cancelStall?.();
    for (const lane of [this.#known, this.#others]) while (lane.next());
  }
}

import type { Clock } from '../clock.ts';
import { type Kind, kindOf } from '../config/kinds.ts';
import type { ConfigChange } from '../config/store.ts';
import { type Arrival, Backlog } from './backlog.ts';
import { nextRoundAt, type Round } from './pace.ts';

/** Changes of a lane have rounds of their own: what is dear never keeps waiting what is cheap and urgent. */
export type Lane = 'endpoints' | 'configuration';
const lanes: readonly Lane[] = ['endpoints', 'configuration'];

/** Where endpoints come from: calls fail while one that is gone is still sent. */
export const endpointKinds: ReadonlySet<Kind | undefined> = new Set(['EndpointSlice', 'Pod', 'WorkloadEntry']);

const laneOf = (change: ConfigChange): Lane => {
  if (change.op === 'problems' || change.op === 'keys') return 'configuration';
  return endpointKinds.has(change.op === 'upsert' ? kindOf(change.object) : change.kind)
    ? 'endpoints'
    : 'configuration';
};

/** What a lane has come to so far. */
export interface LaneStatus {
  readonly rounds: number;
  readonly changes: number;
  /** Changes that a newer one of the same object made needless before they were looked at. */
  readonly replaced: number;
  readonly waiting: number;
  readonly last: Round | undefined;
}

/** What rounds need. */
export interface RoundsContext {
  readonly clock: Clock;
  /** The share of a core that is to be used while changes keep coming. */
  readonly share: number;
  /** Milliseconds of CPU time that the process has used. */
  readonly cpu: () => number;
  /** Takes changes in and gives every stream a turn; whether anything was changed by them. Later, where there are many. */
  readonly run: (arrivals: readonly Arrival[]) => boolean | Promise<boolean>;
  /** Whether streams still wait for their turn. */
  readonly pushing: () => boolean;
  /** A round has begun; `delay` is for how long its first change waited, in milliseconds. */
  readonly onRound?: (lane: Lane, changes: number, delay: number) => void;
}

/** After so many milliseconds a round counts as over though streams still wait for their turn: what is new comes to them with it. */
const LONGEST_ROUND = 1_000;

class LaneState {
  readonly backlog = new Backlog();
  rounds = 0;
  changes = 0;
  last: Round | undefined;
  /** CPU time that the process had used when the last round began. */
  cpuBefore = 0;
  /** Many changes are being taken in. */
  taking = false;
}

/**
 * Decides when changes are taken in and pushed. The first one after quiet is at once; while changes keep coming, those of one lane share
 * rounds that are spaced by what they and the answers to them cost (`nextRoundAt`). Endpoints do not wait for configuration; a round of
 * configuration takes along whatever endpoints wait.
 *
 * The loop goes on when a change arrives, when every stream has had its turn (`pushed`), and when a lane's time has come.
 */
export class Rounds {
  readonly #context: RoundsContext;
  readonly #lanes: Readonly<Record<Lane, LaneState>> = {
    endpoints: new LaneState(),
    configuration: new LaneState(),
  };
  #running: { readonly lane: LaneState; readonly begun: number } | undefined;
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #turn = false;
  #stopped = false;

  constructor(context: RoundsContext) {
    this.#context = context;
  }

  /** A change arrived. */
  add(change: ConfigChange, source: string): void {
    const { backlog } = this.#lanes[laneOf(change)];
    const waits = backlog.since !== undefined;
    backlog.add(change, source, this.#context.clock.now());
    // What is waited for is known already: thousands of changes may arrive together.
    if (!waits) this.#wake();
  }

  /** Every stream has had its turn. */
  pushed(): void {
    if (!this.#running) return;
    this.#end();
    this.#wake();
  }

  /** The round that is running is over, or gives way to another whose pushes take along what is left of its own. */
  #end(): void {
    if (!this.#running) return;
    const { lane, begun } = this.#running;
    lane.last = { begun, cost: this.#context.cpu() - lane.cpuBefore };
    this.#running = undefined;
  }

  status(): Readonly<Record<Lane, LaneStatus>> & { readonly share: number } {
    const of = ({ backlog, rounds, changes, last }: LaneState): LaneStatus => ({
      rounds,
      changes,
      replaced: backlog.replaced,
      waiting: backlog.size,
      last,
    });
    return {
      share: this.#context.share,
      endpoints: of(this.#lanes.endpoints),
      configuration: of(this.#lanes.configuration),
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** When a lane's round may begin; undefined where nothing waits. */
  #due(name: Lane): number | undefined {
    const { backlog, last, cpuBefore, taking } = this.#lanes[name];
    if (backlog.since === undefined || (taking && name === 'configuration')) return undefined;
    if (this.#running) return this.#running.begun + LONGEST_ROUND;
    const { cpu, share } = this.#context;
    return nextRoundAt(last, cpu() - cpuBefore, backlog.since, share);
  }

  #wake(): void {
    if (this.#turn || this.#stopped) return;
    const due = lanes.flatMap(lane => this.#due(lane) ?? []);
    if (!due.length) return;
    const { clock } = this.#context;
    const at = Math.min(...due);
    const wait = Math.ceil(at - clock.now());
    if (wait <= 0) {
      this.#turn = true;
      // Events that the same read from a socket or disk brought are one change.
      setImmediate(() => {
        this.#turn = false;
        this.#begin();
      });
    } else if (!this.#timer || at < this.#timer.at) {
      this.#timer?.cancel();
      const cancel = clock.after(wait, () => {
        this.#timer = undefined;
        this.#wake();
      });
      this.#timer = { at, cancel };
    }
  }

  #begin(): void {
    if (this.#stopped) return;
    const { clock, cpu, pushing, run, onRound } = this.#context;
    const now = clock.now();
    const isDue = (lane: Lane): boolean => (this.#due(lane) ?? Number.POSITIVE_INFINITY) <= now;
    const name = lanes.findLast(isDue);
    if (!name) {
      this.#wake();
      return;
    }
    const lane = this.#lanes[name];
    const { endpoints, configuration } = this.#lanes;
    const since = lane.backlog.since ?? now;
    const arrivals = [...(name === 'configuration' ? configuration.backlog.take() : []), ...endpoints.backlog.take()];
    const before = cpu();
    const took = (changed: boolean): void => {
      if (!changed) return;
      lane.rounds++;
      lane.changes += arrivals.length;
      this.#end();
      lane.cpuBefore = before;
      this.#running = { lane, begun: clock.now() };
      onRound?.(name, arrivals.length, now - since);
      if (!pushing()) this.pushed();
    };
    const changed = run(arrivals);
    if (typeof changed === 'boolean') took(changed);
    else {
      lane.taking = true;
      void changed.then(later => {
        lane.taking = false;
        took(later);
        this.#wake();
      });
    }
    this.#wake();
  }
}

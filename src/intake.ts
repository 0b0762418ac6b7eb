import { type Kind, kindOf } from './config/kinds.ts';
import { type ConfigChange, type ConfigContents, ConfigStore } from './config/store.ts';
import type { MeshOptions } from './istio/settings.ts';
import { type Arrival, keyOf } from './rounds/backlog.ts';
import { endpointKinds } from './rounds/rounds.ts';
import { inSlices } from './slices.ts';
import { World } from './world.ts';
import type { Cause } from './xds/handler.ts';

/** So many changes are taken in one go: some milliseconds. */
const few = 200;

/** So many causes of a push are told. */
const mostCauses = 100;

function kindOfChange(change: ConfigChange): Kind | undefined {
  if (change.op === 'upsert') return kindOf(change.object);
  return change.op === 'problems' || change.op === 'keys' ? undefined : change.kind;
}

function nameOfKind(change: ConfigChange): string {
  if (change.op === 'keys') return 'Jwks';
  return kindOfChange(change) ?? (change.op === 'upsert' ? change.object.kind : 'File');
}

/** What an intake needs. */
export interface IntakeContext {
  /** The names of the sources, by precedence. */
  readonly sources: readonly string[];
  readonly mesh: MeshOptions;
  readonly signal: AbortSignal;
  /** There is a new world, to be served at once; `seconds` is what building it took. */
  readonly onWorld: (world: World, causes: readonly Cause[], seconds: number) => void;
}

/** Many changes that are being taken in. */
interface Batch {
  /** The kinds of which nothing is to be seen before all of it can be. Endpoints stand for themselves. */
  readonly held: ReadonlySet<Kind>;
  /** Newer changes that were taken in meanwhile. */
  readonly overtaken: Set<string>;
}

/**
 * Takes changes in and builds worlds from them. A few are taken in one go. Many, such as a file of 20,000 objects, are taken in slices, and
 * the world with them is served when all of them are in it; endpoints that change meanwhile are served without them.
 */
export class Intake {
  readonly store: ConfigStore;
  readonly #context: IntakeContext;
  #world: World | undefined;
  /** What the world was built from. */
  #contents: ConfigContents | undefined;
  #batch: Batch | undefined;
  #busy: Promise<unknown> = Promise.resolve();

  constructor(context: IntakeContext) {
    this.#context = context;
    this.store = new ConfigStore(context.sources);
  }

  /** Takes a change in before there is a world. */
  add(arrival: Arrival): void {
    this.#apply(arrival);
  }

  /** Builds a world that nobody is served yet: what it names can still be taken in. */
  prepare(): World {
    this.#world = new World(this.store.contents(), this.#context.mesh, this.#world);
    return this.#world;
  }

  /** Builds the first world. */
  begin(): void {
    this.#serve([]);
  }

  /** Takes changes in; whether anything was changed by them. With a promise where that takes long. */
  take(arrivals: readonly Arrival[]): boolean | Promise<boolean> {
    if (arrivals.length <= few) return this.#takeAtOnce(arrivals);
    const isUrgent = ({ change }: Arrival): boolean => endpointKinds.has(kindOfChange(change));
    const urgent = arrivals.filter(isUrgent);
    if (urgent.length > few) return this.#takeInTurn(arrivals);
    const changed = this.#takeAtOnce(urgent);
    return this.#takeInTurn(arrivals.filter(arrival => !isUrgent(arrival))).then(later => later || changed);
  }

  #takeAtOnce(arrivals: readonly Arrival[]): boolean {
    const causes: Cause[] = [];
    for (const arrival of arrivals) {
      this.#batch?.overtaken.add(keyOf(arrival));
      if (this.#apply(arrival)) causes.push({ kind: nameOfKind(arrival.change), at: arrival.at });
    }
    if (causes.length) this.#serve(causes);
    return causes.length > 0;
  }

  #takeInTurn(arrivals: readonly Arrival[]): Promise<boolean> {
    const taken = this.#busy.then(() => inSlices(this.#taking(arrivals), this.#context.signal));
    this.#busy = taken;
    return taken.then(changed => changed ?? false);
  }

  *#taking(arrivals: readonly Arrival[]): Generator<undefined, boolean> {
    const { mesh } = this.#context;
    const kinds = arrivals.flatMap(({ change }) => kindOfChange(change) ?? []);
    const overtaken = new Set<string>();
    this.#batch = { held: new Set(kinds.filter(kind => !endpointKinds.has(kind))), overtaken };
    const causes: Cause[] = [];
    let changed = false;
    for (const arrival of arrivals) {
      yield undefined;
      if (overtaken.has(keyOf(arrival)) || !this.#apply(arrival)) continue;
      changed = true;
      if (causes.length < mostCauses) causes.push({ kind: nameOfKind(arrival.change), at: arrival.at });
      this.store.prepare();
    }
    if (changed) {
      yield undefined;
      const contents = this.store.contents();
      yield undefined;
      const staged = yield* World.building(contents, mesh, this.#world);
      this.#batch = undefined;
      this.#serve(causes, staged);
    }
    this.#batch = undefined;
    return changed;
  }

  #apply({ change, source }: Arrival): boolean {
    return this.store.apply(change, source);
  }

  /** Builds a world upon the last one, or upon one that is to follow it. */
  #serve(causes: readonly Cause[], before = this.#world): void {
    const { mesh, onWorld } = this.#context;
    const began = performance.now();
    const { store } = this;
    this.#contents =
      this.#batch && this.#contents ? store.contentsWithout(this.#batch.held, this.#contents) : store.contents();
    this.#world = new World(this.#contents, mesh, before);
    onWorld(this.#world, causes, (performance.now() - began) / 1000);
  }
}

import type { Clock } from './clock.ts';
import type { KindCounts } from './config/kind-table.ts';
import type { Kind } from './config/kinds.ts';
import type { ConfigChange } from './config/store.ts';
import { Intake } from './intake.ts';
import type { MeshOptions } from './istio/settings.ts';
import type { Log } from './log/log.ts';
import type { MeshModel } from './model/mesh.ts';
import { Rounds, type RoundsContext } from './rounds/rounds.ts';
import type { ConfigSource } from './sources/source.ts';
import type { World } from './world.ts';
import type { Cause } from './xds/handler.ts';

/** What the line is fed with, and whom it tells. */
export interface LineContext extends Pick<RoundsContext, 'clock' | 'share' | 'pushing' | 'onRound'> {
  /** Of an object that several have the first one's is in force. */
  readonly sources: readonly ConfigSource[];
  readonly mesh: MeshOptions;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** There is a new world, to be pushed at once; `seconds` is what building it took. */
  readonly onWorld: (world: World, causes: readonly Cause[], seconds: number) => void;
}

/** Milliseconds of CPU time that this process has used. */
function cpuMillis(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * The line from what sources say to the world that is served: a change goes into the store, and the world is built anew from what the store
 * holds. The first change is taken in at once; while changes keep coming they share rounds.
 */
export class Line {
  readonly rounds: Rounds;
  readonly #context: LineContext;
  readonly #clock: Clock;
  readonly #intake: Intake;
  #world: World | undefined;
  #isWhole = false;

  constructor(context: LineContext) {
    const { sources, mesh, signal } = context;
    this.#context = context;
    this.#clock = context.clock;
    this.#intake = new Intake({
      sources: sources.map(({ name }) => name),
      mesh,
      signal,
      onWorld: (...built) => this.#serve(...built),
    });
    this.rounds = new Rounds({ ...context, cpu: cpuMillis, run: arrivals => this.#intake.take(arrivals) });
  }

  /** The world that is served; undefined until every kind has been listed. */
  get world(): World | undefined {
    return this.#world;
  }

  /** Whether every kind has been listed. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** The mesh's own trust domain. */
  get trustDomain(): string {
    return this.#world?.mesh.settings.trustDomain ?? this.#context.mesh.domain;
  }

  /** The namespace of objects that are for the whole mesh. */
  get rootNamespace(): string {
    return this.#world?.mesh.settings.rootNamespace ?? this.#context.mesh.rootNamespace;
  }

  /** How many objects the store has, by kind. */
  counts(): ReadonlyMap<Kind, KindCounts> {
    return this.#intake.store.counts();
  }

  /** Takes a change in: now, or with those that come close to it. */
  add(change: ConfigChange, source: string): void {
    if (this.#isWhole) this.rounds.add(change, source);
    else this.#intake.add({ change, source, at: this.#clock.now() });
  }

  /** Runs the sources. Resolves once every kind has been listed, `complete` has had a look at what came of it, and the first world is served. */
  async run(complete: (mesh: MeshModel) => Promise<unknown>): Promise<void> {
    const { sources, signal } = this.#context;
    await Promise.all(sources.map(source => source.run(change => this.add(change, source.name), signal).synced));
    if (signal.aborted) return;
    await complete(this.#intake.prepare().mesh);
    if (signal.aborted) return;
    this.#isWhole = true;
    this.#intake.begin();
  }

  #serve(world: World, causes: readonly Cause[], seconds: number): void {
    const isFirst = !this.#world;
    this.#world = world;
    if (isFirst) this.#prepare(world);
    this.#context.onWorld(world, causes, seconds);
  }

  #prepare(world: World): void {
    try {
      world.prepare();
    } catch (error) {
      this.#context.log.error({ err: error }, 'nothing could be made ahead of the first proxy');
    }
  }
}

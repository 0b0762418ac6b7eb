import { failureLine } from '../kubernetes/api-error.ts';
import { pause } from '../kubernetes/backoff.ts';
import { type Permit, PermitError, type Writer } from '../kubernetes/writer.ts';
import { Bell } from './bell.ts';
import type { Cluster } from './cluster.ts';

/** Milliseconds. */
const times = {
  /** From one write to the next: 50 a second, so that a mesh of 5,000 namespaces is no storm. */
  apart: 20,
  /** After a write that failed. */
  afterFailure: 1_000,
  /** Of one object, from a write that failed to the next. */
  again: 10_000,
  /** Who writes the same object again and again is let do so for so long in between, at last. */
  longestTruce: 60_000,
  /** Since the last write; then the next one counts as the first again. */
  quiet: 300_000,
} as const;

/** So many writes of an object in a row follow at once what somebody else did. */
const AT_ONCE = 3;

/** Writes of one object that came close together. */
interface Writes {
  readonly count: number;
  readonly last: number;
}

/** What the objects are, and how they are kept. */
export interface Kept {
  /** Says to `upkeep` what is to be there and what is, until the signal aborts. Resolves once all objects have been listed. */
  follow(upkeep: Upkeep, signal: AbortSignal): Promise<unknown>;
  /** Writes the roots into the object of that key; gives its version then, undefined where it cannot be there any more. */
  write(key: string, upkeep: Upkeep, writer: Writer): Promise<string | undefined>;
  /** The object's name in the log, under the name of its kind. */
  logged(key: string): Readonly<Record<string, string>>;
  /** What is said where it cannot be written. */
  readonly failing: string;
  /** What is said where somebody else writes it again and again. */
  readonly contested: string;
}

/**
 * Objects of the cluster that are to hold the mesh's roots, whoever changes them, each by its key. What somebody else does to one is undone at once,
 * and less and less often where they go on. For the leader alone.
 */
export class Upkeep {
  readonly #cluster: Cluster;
  readonly #kept: Kept;
  #roots: string;
  readonly #wanted = new Set<string>();
  readonly #right = new Set<string>();
  /** Those that are to be written. */
  readonly #owed = new Set<string>();
  /** The version that was written last, until the watch has come so far. */
  readonly #written = new Map<string, string>();
  readonly #writes = new Map<string, Writes>();
  readonly #notBefore = new Map<string, number>();
  readonly #bell = new Bell();
  #listed = false;
  /** Counts what they are to be: what was written meanwhile is no longer right. */
  #age = 0;

  /** `roots` are one PEM text. */
  constructor(cluster: Cluster, kept: Kept, roots: string) {
    this.#cluster = cluster;
    this.#kept = kept;
    this.#roots = roots;
  }

  /** What the objects are to hold: one PEM text. */
  get roots(): string {
    return this.#roots;
  }

  /** Whether a text says the same: an istiod beside may end its lines otherwise, and is to be left alone. */
  isRight(text: unknown): boolean {
    return text === this.#roots || (typeof text === 'string' && withoutSpaces(text) === withoutSpaces(this.#roots));
  }

  /** Those that are not as they are to be; undefined while that is not known. */
  get owed(): ReadonlySet<string> | undefined {
    return this.#listed ? this.#owed : undefined;
  }

  /** There is to be an object of that key. */
  want(key: string): void {
    this.#wanted.add(key);
    this.#look(key);
  }

  /** An object of that key is no longer wanted. */
  forget(key: string): void {
    this.#wanted.delete(key);
    for (const kept of [this.#right, this.#owed, this.#written, this.#writes, this.#notBefore]) kept.delete(key);
  }

  /** An object was seen. */
  seen(key: string, resourceVersion: string, isRight: boolean): void {
    const written = this.#written.get(key);
    if (written !== undefined) {
      if (isOlder(resourceVersion, written)) return;
      this.#written.delete(key);
    }
    this.#right[isRight ? 'add' : 'delete'](key);
    this.#look(key);
  }

  /** There is no such object. */
  gone(key: string): void {
    this.#right.delete(key);
    this.#look(key);
  }

  /** From now on they are to hold these. */
  replace(roots: string): void {
    if (roots === this.#roots) return;
    this.#roots = roots;
    this.#age++;
    this.#right.clear();
    this.#writes.clear();
    for (const key of this.#wanted) this.#look(key);
  }

  /** Writes from when all objects have been listed, for as long as the term lasts. */
  async run(term: Permit): Promise<void> {
    const writer = this.#cluster.writer(term);
    const listed = this.#kept.follow(this, term.signal);
    const ended = new Promise<void>(resolve => {
      if (term.signal.aborted) resolve();
      else term.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    // A term may end before anything could be listed.
    await Promise.race([listed, ended]);
    this.#listed = term.held();
    while (term.held()) {
      const now = this.#cluster.clock.now();
      let soonest: number = times.longestTruce;
      let next: string | undefined;
      for (const key of this.#owed) {
        const wait = this.#due(key) - now;
        if (wait <= 0) {
          next = key;
          break;
        }
        soonest = Math.min(soonest, wait);
      }
      if (next !== undefined) await pause(await this.#write(next, writer), term.signal);
      else await this.#bell.wait(soonest, term.signal);
    }
  }

  #look(key: string): void {
    if (!this.#wanted.has(key) || this.#right.has(key)) this.#owed.delete(key);
    else {
      this.#owed.add(key);
      this.#bell.ring();
    }
  }

  /** When an object may be written, in milliseconds since 1970: later each time where somebody else does not leave it alone. */
  #due(key: string): number {
    const { count, last } = this.#writes.get(key) ?? { count: 0, last: 0 };
    const truce = count < AT_ONCE ? 0 : Math.min(times.longestTruce, 1_000 * 2 ** (count - AT_ONCE));
    return Math.max(last + truce, this.#notBefore.get(key) ?? 0);
  }

  /** Writes one object; gives the milliseconds to wait before the next. */
  async #write(key: string, writer: Writer): Promise<number> {
    const { clock, log } = this.#cluster;
    const kept = this.#kept;
    const age = this.#age;
    try {
      const version = await kept.write(key, this, writer);
      if (version === undefined) this.#owed.delete(key);
      if (version === undefined || !this.#wanted.has(key)) return times.apart;
      this.#notBefore.delete(key);
      this.#written.set(key, version);
      if (age === this.#age) this.#right.add(key);
      this.#look(key);
      this.#count(key);
      return times.apart;
    } catch (error) {
      if (error instanceof PermitError) throw error;
      const isFirst = this.#notBefore.size === 0;
      if (this.#wanted.has(key)) this.#notBefore.set(key, clock.now() + times.again);
      if (isFirst) log.error({ ...kept.logged(key), err: failureLine(error) }, kept.failing);
      return times.afterFailure;
    }
  }

  #count(key: string): void {
    const { clock, log } = this.#cluster;
    const { logged, contested } = this.#kept;
    const now = clock.now();
    const before = this.#writes.get(key);
    const count = before && now - before.last < times.quiet ? before.count + 1 : 1;
    this.#writes.set(key, { count, last: now });
    if (count === AT_ONCE + 1) log.warn(logged(key), contested);
  }
}

/** Whether a version of an object is from before another: they are numbers that grow (Kubernetes: KEP-5504). */
const isOlder = (version: string, than: string): boolean =>
  version.length === than.length ? version < than : version.length < than.length;

const withoutSpaces = (pem: string): string => pem.replaceAll(/\s/g, '');

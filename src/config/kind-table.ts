import { bounds } from '../bounds.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import { PersistentMap } from '../persistent-map.ts';
import { equal, freeze, isDeeperThan } from './json.ts';
import type { Kind, KindRow, KindTypes } from './kinds.ts';
import type { Parsed, Problem } from './problem.ts';
import type { RawObject } from './raw.ts';

const maxLevels = bounds['object-levels'].most;

const tooDeep = (object: ObjectKey): { readonly ok: false; readonly problems: readonly Problem[] } => ({
  ok: false,
  problems: [{ object, path: '', message: `it is nested more than ${maxLevels} deep`, severity: 'error' }],
});

/** What tells one version of an object from the next: the API server's version, or all of it where it has none. */
type Seen = RawObject | { readonly metadata: Pick<RawObject['metadata'], 'resourceVersion' | 'uid'> };

interface Outcome<T> {
  readonly lastValid: T | undefined;
  readonly inForce: T | undefined;
  readonly problems: readonly Problem[];
}

/** An object as one source has it: the newest version, valid or not, and what comes of it. */
interface Entry<T> extends Outcome<T> {
  readonly seen: Seen;
}

const NO_PROBLEMS: readonly Problem[] = Object.freeze([]);

/** How often objects of a kind came, changed and went, and how many of the versions were valid. */
export interface KindCounts {
  readonly add: number;
  readonly update: number;
  readonly delete: number;
  readonly passed: number;
  readonly failed: number;
}

/** So many changed objects are taken into a view in one go: a few milliseconds. */
const mostPending = 2_000;

/**
 * The objects of one kind, apart by the source that has them. Of an object that several sources have that of the first of `sources` is in
 * force, and the others' when that is gone. A view is made when it is asked for, once for any number of changes.
 */
export class KindTable<K extends Kind> {
  readonly #row: KindRow<K>;
  /** The sources by precedence; shared by all tables of a store. */
  readonly #sources: readonly string[];
  readonly #entries = new Map<string, Map<ObjectKey, Entry<KindTypes[K]>>>();
  readonly #problems = new Map<ObjectKey, readonly Problem[]>();
  #view = PersistentMap.of<ObjectKey, KindTypes[K]>();
  /** What differs from the view. */
  readonly #pending = new Map<ObjectKey, KindTypes[K] | undefined>();
  readonly #counts = { add: 0, update: 0, delete: 0, passed: 0, failed: 0 };
  problemsChanged = false;

  constructor(row: KindRow<K>, sources: readonly string[]) {
    this.#row = row;
    this.#sources = sources;
  }

  view(): ReadonlyMap<ObjectKey, KindTypes[K]> {
    if (this.#pending.size) {
      this.#view = this.#view.with(this.#pending);
      this.#pending.clear();
    }
    return this.#view;
  }

  prepare(): void {
    if (this.#pending.size >= mostPending) this.view();
  }

  problems(): ReadonlyMap<ObjectKey, readonly Problem[]> {
    this.problemsChanged = false;
    return this.#problems;
  }

  /** These are all objects that the source has. */
  replace(objects: readonly RawObject[], source: string): boolean {
    let changed = false;
    const kept = new Set<ObjectKey>();
    for (const object of objects) {
      kept.add(this.#key(object));
      changed = this.upsert(object, source) || changed;
    }
    for (const key of [...this.#of(source).keys()]) if (!kept.has(key)) changed = this.delete(key, source) || changed;
    return changed;
  }

  delete(key: ObjectKey, source: string): boolean {
    if (!this.#of(source).delete(key)) return false;
    this.#counts.delete++;
    return this.#settle(key);
  }

  get counts(): KindCounts {
    return this.#counts;
  }

  upsert(raw: RawObject, source: string): boolean {
    const key = this.#key(raw);
    const entries = this.#of(source);
    const known = entries.get(key);
    // An API server takes objects 10,000 deep; the functions that walk them call themselves.
    const deep = isDeeperThan(maxLevels, raw);
    if (known && !deep && isSame(known.seen, raw)) return false;
    const outcome = outcomeOf(key, deep ? tooDeep(key) : this.#row.parse(raw), known);
    this.#counts[known ? 'update' : 'add']++;
    this.#counts[outcome.problems.some(({ severity }) => severity === 'error') ? 'failed' : 'passed']++;
    entries.set(key, { seen: deep ? { metadata: {} } : seenOf(raw), ...outcome });
    return this.#settle(key);
  }

  #of(source: string): Map<ObjectKey, Entry<KindTypes[K]>> {
    const known = this.#entries.get(source);
    if (known) return known;
    const fresh = new Map<ObjectKey, Entry<KindTypes[K]>>();
    this.#entries.set(source, fresh);
    return fresh;
  }

  #key(raw: RawObject): ObjectKey {
    return objectKey(this.#row.kind, this.#row.namespaced ? (raw.metadata.namespace ?? '') : '', raw.metadata.name);
  }

  /** Puts the first source's version of an object in force. */
  #settle(key: ObjectKey): boolean {
    const [first, ...others] = this.#sources.filter(source => this.#entries.get(source)?.has(key));
    const entry = first === undefined ? undefined : this.#entries.get(first)?.get(key);
    const hidden = others.map(other => ({
      object: key,
      path: '',
      message: `two sources have it: in force is what the ${first} says, not the ${other}`,
      severity: 'warning' as const,
    }));
    const reported = this.#setProblems(key, [...(entry?.problems ?? NO_PROBLEMS), ...hidden]);
    return this.#setValue(key, entry?.inForce) || reported;
  }

  #setValue(key: ObjectKey, value: KindTypes[K] | undefined): boolean {
    const before = this.#pending.has(key) ? this.#pending.get(key) : this.#view.get(key);
    if (before === value) return false;
    this.#pending.set(key, value && freeze(value));
    return true;
  }

  #setProblems(key: ObjectKey, problems: readonly Problem[]): boolean {
    if (equal(this.#problems.get(key) ?? NO_PROBLEMS, problems)) return false;
    if (problems.length) this.#problems.set(key, freeze(problems));
    else this.#problems.delete(key);
    this.problemsChanged = true;
    return true;
  }
}

function outcomeOf<T extends KindTypes[Kind]>(
  object: ObjectKey,
  parsed: Parsed<T>,
  known: Outcome<T> | undefined,
): Outcome<T> {
  const problems = parsed.problems.length ? parsed.problems : NO_PROBLEMS;
  if (parsed.ok) {
    const value = keep(known?.inForce, parsed.value);
    return { lastValid: value, inForce: value, problems };
  }
  const lastValid = known?.lastValid;
  const closed = parsed.close?.(lastValid);
  if (!closed) {
    return { lastValid, inForce: lastValid, problems: lastValid ? problems.map(lastGoodStays) : problems };
  }
  const meaning: Problem = { object, path: '', message: closed.meaning, severity: 'error' };
  return { lastValid, inForce: keep(known?.inForce, closed.value), problems: [...problems, meaning] };
}

const lastGoodStays = (problem: Problem): Problem =>
  problem.severity === 'error'
    ? { ...problem, message: `${problem.message} (the last valid version of the object stays in force)` }
    : problem;

/** Versions alone for what has them: the raw objects of a large cluster are half of its memory. */
const seenOf = (raw: RawObject): Seen => {
  const { resourceVersion, uid } = raw.metadata;
  return resourceVersion === undefined ? raw : { metadata: { resourceVersion, uid } };
};

const isSame = (a: Seen, b: RawObject): boolean =>
  a.metadata.resourceVersion !== undefined && b.metadata.resourceVersion !== undefined
    ? a.metadata.resourceVersion === b.metadata.resourceVersion && a.metadata.uid === b.metadata.uid
    : equal(a, b);

/**
 * `next`, or `previous` where they differ at most in resourceVersion: a status update or a node's heartbeat is no change of configuration
 * and must not make anything again.
 */
function keep<T extends KindTypes[Kind]>(previous: T | undefined, next: T): T {
  if (!previous) return next;
  const meta = { ...next.meta, resourceVersion: previous.meta.resourceVersion };
  return equal({ ...next, meta }, previous) ? previous : next;
}

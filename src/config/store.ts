import { bounds } from '../bounds.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import { PersistentMap } from '../persistent-map.ts';
import { equal, freeze, isDeeperThan } from './json.ts';
import { type Kind, type KindRow, type KindTypes, kindNames, kindOf, kinds } from './kinds.ts';
import type { Parsed, Problem } from './problem.ts';
import type { RawObject } from './raw.ts';

/** What a source says has changed. */
export type ConfigChange =
  /** These are all objects of the kind; what is missing is gone. */
  | { readonly op: 'replace'; readonly kind: Kind; readonly objects: readonly RawObject[] }
  | { readonly op: 'upsert'; readonly object: RawObject }
  | { readonly op: 'delete'; readonly kind: Kind; readonly namespace: string; readonly name: string }
  /**
   * All that the source itself finds wrong about something (a file that is no YAML: `File/<path>`); an empty list takes it back. These
   * stand beside what parsing finds.
   */
  | { readonly op: 'problems'; readonly object: ObjectKey; readonly problems: readonly Problem[] };

/**
 * All valid objects and all problems at one moment; never changes. A kind's map keeps its identity until an object of that kind changes, and
 * an object keeps its identity until its content changes. Everything is deeply frozen.
 */
export type ConfigContents = {
  readonly [K in Kind]: ReadonlyMap<ObjectKey, KindTypes[K]>;
} & { readonly problems: ReadonlyMap<ObjectKey, readonly Problem[]> };

/**
 * The checked objects of all sources. The newest valid version of an object is in force; of a version that is not
 * valid and restricts it is what its parser makes of it.
 */
export class ConfigStore {
  readonly #tables = Object.fromEntries(kindNames.map(kind => [kind, new KindTable(kinds[kind])])) as unknown as {
    readonly [K in Kind]: KindTable<K>;
  };
  readonly #reported = new Map<ObjectKey, readonly Problem[]>();
  #problemsChanged = true;
  #contents: ConfigContents | undefined;

  /** Takes a change in; says whether `contents()` differs by it. Constant time an object. */
  apply(change: ConfigChange): boolean {
    const changed = this.#apply(change);
    if (changed) this.#contents = undefined;
    return changed;
  }

  #apply(change: ConfigChange): boolean {
    switch (change.op) {
      case 'replace':
        return this.#tables[change.kind].replace(change.objects.filter(object => kindOf(object) === change.kind));
      case 'upsert': {
        const kind = kindOf(change.object);
        return kind !== undefined && this.#tables[kind].upsert(change.object);
      }
      case 'delete':
        return this.#tables[change.kind].delete(objectKey(change.kind, change.namespace, change.name));
      case 'problems': {
        if (equal(this.#reported.get(change.object) ?? [], change.problems)) return false;
        if (change.problems.length) this.#reported.set(change.object, freeze(change.problems));
        else this.#reported.delete(change.object);
        this.#problemsChanged = true;
        return true;
      }
    }
  }

  /** What is in force now. The same value until something changes. */
  contents(): ConfigContents {
    this.#contents ??= this.#view();
    return this.#contents;
  }

  /** The same, but for kinds of which nothing new is to be seen yet: they are as in `before`, and so are all problems. */
  contentsWithout(kinds: ReadonlySet<Kind>, before: ConfigContents): ConfigContents {
    if (!kinds.size) return this.contents();
    const views = kindNames.map(kind => [kind, kinds.has(kind) ? before[kind] : this.#tables[kind].view()]);
    return Object.freeze({ ...Object.fromEntries(views), problems: before.problems }) as unknown as ConfigContents;
  }

  /** Does a part of what `contents()` will have to, where there is much of it. */
  prepare(): void {
    for (const kind of kindNames) this.#tables[kind].prepare();
  }

  #problems: ReadonlyMap<ObjectKey, readonly Problem[]> = new Map();

  #view(): ConfigContents {
    const tables = kindNames.map(kind => this.#tables[kind]);
    if (this.#problemsChanged || tables.some(table => table.problemsChanged)) {
      const problems = new Map(this.#reported);
      for (const table of tables) {
        for (const [key, found] of table.problems()) problems.set(key, [...(problems.get(key) ?? []), ...found]);
      }
      this.#problems = problems;
      this.#problemsChanged = false;
    }
    const views = Object.fromEntries(kindNames.map(kind => [kind, this.#tables[kind].view()]));
    return Object.freeze({ ...views, problems: this.#problems }) as unknown as ConfigContents;
  }
}

const maxLevels = bounds['object-levels'].most;

const tooDeep = (object: ObjectKey): { readonly ok: false; readonly problems: readonly Problem[] } => ({
  ok: false,
  problems: [{ object, path: '', message: `it is nested more than ${maxLevels} deep`, severity: 'error' }],
});

/** What tells one version of an object from the next: the API server's version, or all of it where it has none. */
type Seen = RawObject | { readonly metadata: Pick<RawObject['metadata'], 'resourceVersion' | 'uid'> };

interface Entry<T> {
  /** The newest version, valid or not. */
  readonly seen: Seen;
  readonly lastValid: T | undefined;
  readonly inForce: T | undefined;
}

/** So many changed objects are taken into a view in one go: a few milliseconds. */
const mostPending = 2_000;

/** One kind's objects. A view is made when it is asked for, once for any number of changes. */
class KindTable<K extends Kind> {
  readonly #row: KindRow<K>;
  readonly #entries = new Map<ObjectKey, Entry<KindTypes[K]>>();
  readonly #problems = new Map<ObjectKey, readonly Problem[]>();
  #view = PersistentMap.of<ObjectKey, KindTypes[K]>();
  /** What differs from the view. */
  readonly #pending = new Map<ObjectKey, KindTypes[K] | undefined>();
  problemsChanged = false;

  constructor(row: KindRow<K>) {
    this.#row = row;
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

  replace(objects: readonly RawObject[]): boolean {
    let changed = false;
    const kept = new Set<ObjectKey>();
    for (const object of objects) {
      kept.add(this.#key(object));
      changed = this.upsert(object) || changed;
    }
    for (const key of [...this.#entries.keys()]) if (!kept.has(key)) changed = this.delete(key) || changed;
    return changed;
  }

  delete(key: ObjectKey): boolean {
    const known = this.#entries.get(key);
    if (!known) return false;
    this.#entries.delete(key);
    const reported = this.#setProblems(key, []);
    return this.#setValue(key, known.inForce, undefined) || reported;
  }

  upsert(raw: RawObject): boolean {
    const key = this.#key(raw);
    const known = this.#entries.get(key);
    // An API server takes objects 10,000 deep; the functions that walk them call themselves.
    const deep = isDeeperThan(maxLevels, raw);
    if (known && !deep && isSame(known.seen, raw)) return false;
    const { problems, ...entry } = this.#outcome(key, deep ? tooDeep(key) : this.#row.parse(raw), known);
    this.#entries.set(key, { seen: deep ? { metadata: {} } : seenOf(raw), ...entry });
    const reported = this.#setProblems(key, problems);
    return this.#setValue(key, known?.inForce, entry.inForce) || reported;
  }

  #outcome(
    object: ObjectKey,
    parsed: Parsed<KindTypes[K]>,
    known: Entry<KindTypes[K]> | undefined,
  ): Omit<Entry<KindTypes[K]>, 'seen'> & { readonly problems: readonly Problem[] } {
    const { problems } = parsed;
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

  #key(raw: RawObject): ObjectKey {
    return objectKey(this.#row.kind, this.#row.namespaced ? (raw.metadata.namespace ?? '') : '', raw.metadata.name);
  }

  #setValue(key: ObjectKey, before: KindTypes[K] | undefined, value: KindTypes[K] | undefined): boolean {
    if (before === value) return false;
    this.#pending.set(key, value && freeze(value));
    return true;
  }

  #setProblems(key: ObjectKey, problems: readonly Problem[]): boolean {
    if (equal(this.#problems.get(key) ?? [], problems)) return false;
    if (problems.length) this.#problems.set(key, freeze(problems));
    else this.#problems.delete(key);
    this.problemsChanged = true;
    return true;
  }
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

import { isDeepStrictEqual } from 'node:util';
import type { ObjectMeta } from '../../istio/object.ts';
import type { ObjectKey } from '../../object-key.ts';
import { PersistentMap } from '../../persistent-map.ts';
import { inOneGo } from '../../slices.ts';

interface WithMeta {
  readonly meta: ObjectMeta;
}

/** One object that is not what it was: added (no `before`), removed (no `after`) or replaced. */
export interface Change<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** What differs between two maps of one kind; costs next to nothing where the one was made from the other. */
export function changesBetween<T extends WithMeta>(
  previous: ReadonlyMap<ObjectKey, T>,
  next: ReadonlyMap<ObjectKey, T>,
): readonly Change<T>[] {
  if (previous === next) return [];
  if (!(previous instanceof PersistentMap && next instanceof PersistentMap)) return changesInStep(previous, next);
  const changes: Change<T>[] = [];
  for (const [before, after] of next.partsSince(previous)) changes.push(...changesInStep(before, after));
  return changes;
}

/** Walks both maps in step and compares identities: little an object while the order stays (a store replaces in place). */
function changesInStep<T extends WithMeta>(
  previous: ReadonlyMap<ObjectKey, T>,
  next: ReadonlyMap<ObjectKey, T>,
): readonly Change<T>[] {
  const changes: Change<T>[] = [];
  const old = previous.values();
  let at = old.next();
  for (const after of next.values()) {
    while (!at.done && at.value !== after && !next.has(at.value.meta.key)) {
      changes.push({ before: at.value, after: undefined });
      at = old.next();
    }
    if (!at.done && (at.value === after || at.value.meta.key === after.meta.key)) {
      if (at.value !== after) changes.push({ before: at.value, after });
      at = old.next();
      continue;
    }
    const before = previous.get(after.meta.key);
    if (before !== after) changes.push({ before, after });
  }
  for (; !at.done; at = old.next()) {
    if (!next.has(at.value.meta.key)) changes.push({ before: at.value, after: undefined });
  }
  return changes;
}

/** The keys for which two maps differ. */
export function differingKeys<K extends string, V>(
  previous: PersistentMap<K, V>,
  next: PersistentMap<K, V>,
): readonly K[] {
  const keys: K[] = [];
  for (const [before, after] of next.partsSince(previous)) {
    for (const [key, value] of after) if (before.get(key) !== value) keys.push(key);
    for (const key of before.keys()) if (!after.has(key)) keys.push(key);
  }
  return keys;
}

/** What was made of every object of a kind, one by one. */
export interface Derived<T, R> {
  readonly from: ReadonlyMap<ObjectKey, T>;
  /** Whatever else it was made from; an object, compared by identity. */
  readonly by: unknown;
  readonly values: PersistentMap<ObjectKey, R>;
}

/**
 * Makes a value of every object. Only objects that changed since `previous` are made again (all of them where `by` changed), and a value
 * equal to the one before is the one before.
 */
export const derive = <T extends WithMeta, R>(
  from: ReadonlyMap<ObjectKey, T>,
  by: unknown,
  make: (object: T) => R,
  previous: Derived<T, R> | undefined,
): Derived<T, R> => inOneGo(deriving(from, by, make, previous));

/** The same in slices: yields between them. */
export function* deriving<T extends WithMeta, R>(
  from: ReadonlyMap<ObjectKey, T>,
  by: unknown,
  make: (object: T) => R,
  previous: Derived<T, R> | undefined,
): Generator<undefined, Derived<T, R>> {
  if (previous?.from === from && previous.by === by) return previous;
  const remake = (object: T): R => {
    const before = previous?.values.get(object.meta.key);
    const value = make(object);
    return before !== undefined && isDeepStrictEqual(before, value) ? before : value;
  };
  if (!previous || previous.by !== by) {
    const all: [ObjectKey, R][] = [];
    for (const [key, object] of from) {
      all.push([key, remake(object)]);
      yield undefined;
    }
    return { from, by, values: PersistentMap.of(all) };
  }
  const changed: [ObjectKey, R | undefined][] = [];
  for (const { before, after } of changesBetween(previous.from, from)) {
    const key = (after ?? before)?.meta.key;
    if (key !== undefined) changed.push([key, after && remake(after)]);
    yield undefined;
  }
  return { from, by, values: previous.values.with(changed) };
}

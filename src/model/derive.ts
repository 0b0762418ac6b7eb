import { isDeepStrictEqual } from 'node:util';
import type { ObjectKey, ObjectMeta } from './object.ts';

interface WithMeta {
  readonly meta: ObjectMeta;
}

/** One object that is not what it was: added (no `before`), removed (no `after`) or replaced. */
export interface Change<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/**
 * What differs between two maps of one kind. Walks both in step and compares identities, so that it costs next to nothing an object while
 * the order stays (a store replaces in place).
 */
export function changesBetween<T extends WithMeta>(
  previous: ReadonlyMap<ObjectKey, T>,
  next: ReadonlyMap<ObjectKey, T>,
): readonly Change<T>[] {
  if (previous === next) return [];
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

/** The map that another was made from, and the keys for which they differ: saves comparing all of them. */
export interface Since<V> {
  readonly map: ReadonlyMap<string, V>;
  readonly keys: ReadonlySet<string>;
}

/** The keys for which two maps differ; fast where the second is known to be made from the first. */
export function differingKeys<V>(
  previous: ReadonlyMap<string, V>,
  next: ReadonlyMap<string, V>,
  since: Since<V> | undefined,
): Iterable<string> {
  if (next === previous) return [];
  if (since?.map === previous) return since.keys;
  const keys: string[] = [];
  for (const [key, value] of next) if (previous.get(key) !== value) keys.push(key);
  for (const key of previous.keys()) if (!next.has(key)) keys.push(key);
  return keys;
}

/** What was made of every object of a kind, one by one. */
export interface Derived<T, R> {
  readonly from: ReadonlyMap<ObjectKey, T>;
  /** Whatever else it was made from; an object, compared by identity. */
  readonly by: unknown;
  readonly values: ReadonlyMap<ObjectKey, R>;
}

/**
 * Makes a value of every object. Only objects that changed since `previous` are made again (all of them where `by` changed), and a value
 * equal to the one before is the one before.
 */
export function derive<T extends WithMeta, R>(
  from: ReadonlyMap<ObjectKey, T>,
  by: unknown,
  make: (object: T) => R,
  previous: Derived<T, R> | undefined,
): Derived<T, R> {
  if (previous?.from === from && previous.by === by) return previous;
  const remake = (object: T): R => {
    const before = previous?.values.get(object.meta.key);
    const value = make(object);
    return before !== undefined && isDeepStrictEqual(before, value) ? before : value;
  };
  if (!previous || previous.by !== by) {
    const values = new Map<ObjectKey, R>();
    for (const [key, object] of from) values.set(key, remake(object));
    return { from, by, values };
  }
  const changes = changesBetween(previous.from, from);
  if (!changes.length) return { from, by, values: previous.values };
  const values = new Map(previous.values);
  let differs = false;
  for (const { before, after } of changes) {
    const key = (after ?? before)?.meta.key;
    if (key === undefined) continue;
    if (after) {
      const value = remake(after);
      differs ||= previous.values.get(key) !== value;
      values.set(key, value);
    } else differs = values.delete(key) || differs;
  }
  return { from, by, values: differs ? values : previous.values };
}

/** A value with what it was made from. */
export interface Stage<I extends readonly unknown[], V> {
  readonly inputs: I;
  readonly value: V;
}

/** The previous value while every input is the same object; else a new one, made with the previous at hand. */
export function stage<I extends readonly unknown[], V>(
  previous: Stage<I, V> | undefined,
  inputs: I,
  make: (previous: Stage<I, V> | undefined) => V,
): Stage<I, V> {
  return previous && inputs.every((input, i) => input === previous.inputs[i])
    ? previous
    : { inputs, value: make(previous) };
}

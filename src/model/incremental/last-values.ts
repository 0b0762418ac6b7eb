import { equalList, equalMap, keepList, keepMap } from '../../memo.ts';

/**
 * The last value made under each name. A value equal to the last one is answered with the last one, so that results keep their identity
 * from mesh to mesh. Lists and maps that are equal are one value under all names: what many namespaces see alike is made once. Held weakly: a
 * value that nobody uses any more is forgotten.
 */
export class LastValues {
  readonly #values = new Map<string, WeakRef<object>>();
  readonly #forget = new FinalizationRegistry<string>(name => {
    if (this.#values.get(name)?.deref() === undefined) this.#values.delete(name);
  });

  /** `next`, or the last list of that name where it has the same items. */
  list<T>(name: string, next: readonly T[]): readonly T[] {
    return this.#keep(name, next, last => (last && keepList(last, next) === last ? last : equalList(next)));
  }

  /** `next`, or the last map of that name where it has the same entries. */
  map<K, V>(name: string, next: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
    return this.#keep(name, next, last => (last && keepMap(last, next) === last ? last : equalMap(next)));
  }

  /** `next`, or the last record of that name where it has the same fields. */
  record<T extends object>(name: string, next: T): T {
    return this.#keep(name, next, last => (last && sameFields(last, next) ? last : next));
  }

  #keep<T extends object>(name: string, next: T, choose: (last: T | undefined) => T): T {
    const last = this.#values.get(name)?.deref() as T | undefined;
    if (last === next) return next;
    const kept = choose(last);
    if (kept !== last) {
      this.#values.set(name, new WeakRef(kept));
      this.#forget.register(kept, name);
    }
    return kept;
  }
}

const sameFields = (a: object, b: object): boolean => {
  const fields = Object.entries(b);
  const known = a as Readonly<Record<string, unknown>>;
  return fields.length === Object.keys(a).length && fields.every(([name, value]) => Object.is(known[name], value));
};

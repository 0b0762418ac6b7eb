import { keepList, keepMap } from '../../memo.ts';

/**
 * The last value made under each name. A value equal to the last one is answered with the last one, so that results keep their identity
 * from mesh to mesh. Held weakly: a value that nobody uses any more is forgotten.
 */
export class LastValues {
  readonly #values = new Map<string, WeakRef<object>>();
  readonly #forget = new FinalizationRegistry<string>(name => {
    if (this.#values.get(name)?.deref() === undefined) this.#values.delete(name);
  });

  /** `next`, or the last list of that name where it has the same items. */
  list<T>(name: string, next: readonly T[]): readonly T[] {
    return this.#keep(name, next, last => keepList(last, next));
  }

  /** `next`, or the last map of that name where it has the same entries. */
  map<K, V>(name: string, next: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
    return this.#keep(name, next, last => keepMap(last, next));
  }

  /** `next`, or the last record of that name where it has the same fields. */
  record<T extends object>(name: string, next: T): T {
    return this.#keep(name, next, last => (sameFields(last, next) ? last : next));
  }

  #keep<T extends object>(name: string, next: T, choose: (last: T) => T): T {
    const last = this.#values.get(name)?.deref() as T | undefined;
    if (last === next) return next;
    const kept = last ? choose(last) : next;
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

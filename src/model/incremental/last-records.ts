/**
 * The last record made under each name. One with the same fields as the last is answered with the last one, so that results keep their
 * identity from mesh to mesh. Held weakly: a record that nobody uses any more is forgotten, and so is its name; each name has one of its own.
 */
export class LastRecords {
  readonly #records = new Map<string, WeakRef<object>>();
  readonly #forget = new FinalizationRegistry<string>(name => {
    if (this.#records.get(name)?.deref() === undefined) this.#records.delete(name);
  });

  /** `next`, or the last record of that name where it has the same fields. */
  record<T extends object>(name: string, next: T): T {
    const last = this.#records.get(name)?.deref() as T | undefined;
    if (last && sameFields(last, next)) return last;
    this.#records.set(name, new WeakRef(next));
    this.#forget.register(next, name);
    return next;
  }
}

const sameFields = (a: object, b: object): boolean => {
  const fields = Object.entries(b);
  const known = a as Readonly<Record<string, unknown>>;
  return fields.length === Object.keys(a).length && fields.every(([name, value]) => Object.is(known[name], value));
};

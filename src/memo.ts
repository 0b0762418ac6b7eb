/**
 * How results are kept. A memoised function receives exactly the frozen values it depends on: the same values give the same result object, and a
 * value that nobody holds any more takes its results with it (`memo`, `memoSaid`, `eachOf`). Equal values are made one value, so that they can be
 * such arguments: by their fields (`one`, `oneList`, `oneMap`), by a text (`Interner`), or by what they were before (`keepList`, `keepMap`).
 */

/** Stands for a result that is not there yet, or, in a WeakMap, for one that is undefined. */
const NOTHING: unique symbol = Symbol('nothing');

const isObject = (arg: unknown): arg is object => typeof arg === 'object' && arg !== null;

/**
 * What has been computed for the arguments so far. A large mesh has tens of thousands of these, and V8's collector walks WeakMaps dearly:
 * maps are made when they are needed, and the results of a last argument that is an object stand in the map itself.
 */
class Level {
  #levels: WeakMap<object, Level> | undefined = undefined;
  #results: WeakMap<object, unknown> | undefined = undefined;
  #primitive: unknown = undefined;
  #afterPrimitive: Level | undefined = undefined;
  #morePrimitives: Map<unknown, Level> | undefined = undefined;
  /** The result for no more arguments. */
  result: unknown = NOTHING;

  /** The level of one more argument. */
  next(arg: unknown): Level {
    if (isObject(arg)) {
      this.#levels ??= new WeakMap();
      const known = this.#levels.get(arg);
      if (known) return known;
      const made = new Level();
      this.#levels.set(arg, made);
      return made;
    }
    if (this.#afterPrimitive && this.#primitive === arg) return this.#afterPrimitive;
    const known = this.#morePrimitives?.get(arg);
    if (known) return known;
    const made = new Level();
    if (this.#afterPrimitive) {
      this.#morePrimitives ??= new Map();
      this.#morePrimitives.set(arg, made);
    } else {
      this.#primitive = arg;
      this.#afterPrimitive = made;
    }
    return made;
  }

  /** The result for one last argument that is an object; undefined where there is none yet. */
  resultOf(last: object): unknown {
    return this.#results?.get(last);
  }

  /** Keeps that result. */
  keep(last: object, result: unknown): void {
    this.#results ??= new WeakMap();
    this.#results.set(last, result === undefined ? NOTHING : result);
  }
}

/**
 * A memoised form of `compute`. Objects are compared by identity and held weakly; primitives are compared by value and held for as long as
 * the objects before them live, so the primitives of one function should be few. Arguments of which there are few (the mesh, the traits)
 * come first and the one of which there are many (a Service) last: each of many that comes early has a map of its own.
 */
export function memo<A extends readonly unknown[], R>(compute: (...args: A) => R): (...args: A) => R {
  const root = new Level();
  return (...args: A): R => {
    let at = root;
    const before = args.length - 1;
    for (let i = 0; i < before; i++) at = at.next(args[i]);
    const last = args[before];
    if (isObject(last)) {
      const known = at.resultOf(last);
      if (known !== undefined) return (known === NOTHING ? undefined : known) as R;
      const result = compute(...args);
      at.keep(last, result);
      return result;
    }
    if (args.length) at = at.next(last);
    if (at.result === NOTHING) at.result = compute(...args);
    return at.result as R;
  };
}

/** How many items may go from one place of a list before what follows is looked at anew. */
const WINDOW = 8;

/**
 * A memoised `items.map(compute)` for long lists that change little: what stands where it stood in the last list, but for what came and went
 * before it, keeps its result for the price of a comparison. The last list is held.
 */
export function eachOf<I, R>(compute: (item: I) => R): (items: readonly I[]) => readonly R[] {
  let lastItems: readonly I[] = [];
  let lastResults: readonly R[] = [];
  return items => {
    if (items === lastItems) return lastResults;
    const results: R[] = [];
    let at = 0;
    for (const item of items) {
      let found = at;
      while (lastItems[found] !== item && found < at + WINDOW) found++;
      const known = found < lastItems.length && lastItems[found] === item;
      results.push(known ? (lastResults[found] as R) : compute(item));
      if (known) at = found + 1;
    }
    lastItems = items;
    lastResults = results;
    return results;
  };
}

const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, i) => Object.is(item, b[i]));

/** `next`, unless `previous` has the same items in the same order: then `previous`, so that what depends on the list keeps its identity. */
export function keepList<T>(previous: readonly T[] | undefined, next: readonly T[]): readonly T[] {
  return previous && sameItems(previous, next) ? previous : next;
}

/** `next`, unless `previous` has the same entries: then `previous`. */
export function keepMap<K, V>(previous: ReadonlyMap<K, V> | undefined, next: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  if (previous?.size !== next.size) return next;
  for (const [key, value] of next) if (!Object.is(previous.get(key), value) || !previous.has(key)) return next;
  return previous;
}

const serials = new WeakMap<object, number>();
let serial = 0;

/** A number that stands for a value: of an object one that no other has, of a text or a number any. */
function numberOf(value: unknown): number {
  if (isObject(value)) {
    const known = serials.get(value) ?? ++serial;
    if (known === serial) serials.set(value, known);
    return known;
  }
  let hash = 0x811c9dc5;
  for (const character of String(value)) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return hash;
}

const mixed = (a: number, b: number): number => {
  const h = Math.imul(a ^ b, 0x9e3779b1);
  return h ^ (h >>> 15);
};

/** The values of one shape by a number that equal ones have. */
class Kept<T extends object> {
  readonly #values = new Map<number, WeakRef<T>>();
  readonly #gone = new FinalizationRegistry<number>(at => {
    if (this.#values.get(at)?.deref() === undefined) this.#values.delete(at);
  });

  /** The value that is there under `at`, where it is the `same`; else `value`. */
  one(at: number, value: T, same: (known: T) => boolean): T {
    const known = this.#values.get(at)?.deref();
    if (known && same(known)) return known;
    this.#values.set(at, new WeakRef(value));
    this.#gone.register(value, at);
    return value;
  }
}

const keptLists = new Kept<readonly unknown[]>();
const keptMaps = new Kept<ReadonlyMap<unknown, unknown>>();
const keptRecords = new Kept<object>();
const EMPTY: readonly never[] = Object.freeze([]);

/** The one list of these items: lists with the same items in the same order are one value, for as long as somebody has it. */
export function oneList<T>(list: readonly T[]): readonly T[] {
  if (list.length === 0) return EMPTY;
  let at = list.length;
  for (const item of list) at = mixed(at, numberOf(item));
  return keptLists.one(at, list, known => sameItems(known, list)) as readonly T[];
}

const fieldNumbers = new Map<string, number>();

/** The number of a field's name, of which there are few. */
function fieldNumber(name: string): number {
  const known = fieldNumbers.get(name);
  if (known !== undefined) return known;
  const number = numberOf(name);
  fieldNumbers.set(name, number);
  return number;
}

function sameFields(a: object, b: object): boolean {
  const names = Object.keys(b);
  const isSame = (name: string): boolean => Object.is(Reflect.get(a, name), Reflect.get(b, name));
  return names.length === Object.keys(a).length && names.every(isSame);
}

/** The one record of these fields, frozen. */
export function one<T extends object>(record: T): T {
  let at = 1;
  for (const name of Object.keys(record)) at = (at + mixed(fieldNumber(name), numberOf(Reflect.get(record, name)))) | 0;
  return Object.freeze(keptRecords.one(at, record, known => sameFields(known, record)) as T);
}

/** The one map of these entries. */
export function oneMap<K, V>(map: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  let at = map.size;
  for (const [key, value] of map) at = (at + mixed(numberOf(key), numberOf(value))) | 0;
  return keptMaps.one(at, map, known => keepMap(known, map) === known) as ReadonlyMap<K, V>;
}

type WeakValues = Map<string, WeakRef<object>>;

/** One for all: a registry is dear, and there is an interner for each object that texts are told apart for. */
const forgotten = new FinalizationRegistry<{ readonly values: WeakValues; readonly text: string }>(
  ({ values, text }) => {
    if (values.get(text)?.deref() === undefined) values.delete(text);
  },
);

/** Interns values by a canonical text: equal texts give one shared value. Values that nobody holds any more are collected. */
export class Interner<T extends object> {
  readonly #values: WeakValues = new Map();

  /** The value interned under `text`, made by `make` when there is none. */
  intern(text: string, make: () => T): T {
    const known = this.#values.get(text)?.deref() as T | undefined;
    if (known) return known;
    const value = make();
    this.#values.set(text, new WeakRef(value));
    forgotten.register(value, { values: this.#values, text });
    return value;
  }
}

/**
 * A memoised form of a `compute` whose last arguments are texts or numbers that peers choose: a namespace, a port, what conditions come to for
 * their labels. Objects are held weakly as in `memo`, and so is the result: it lives only as long as somebody uses it, so that what peers said
 * does not outlive them.
 */
export function memoSaid<A extends readonly unknown[], R extends object>(
  compute: (...args: A) => R,
): (...args: A) => R {
  const results = memo((..._objects: readonly unknown[]) => new Interner<R>());
  return (...args) => {
    const said = args.findIndex(arg => typeof arg === 'string' || typeof arg === 'number');
    return results(...args.slice(0, said)).intern(args.slice(said).join('\0'), () => compute(...args));
  };
}

const names = new WeakMap<object, string>();
let named = 0;

/** A short text that stands for a shared value, as a part of a text to intern by: the same text for the same object, and for no other. */
export function nameOf(value: object): string {
  const known = names.get(value);
  if (known !== undefined) return known;
  const name = String(++named);
  names.set(value, name);
  return name;
}

/**
 * How results are kept. A memoised function receives exactly the frozen values it depends on: the same values give the same result object, and a
 * value that nobody holds any more takes its results with it (`memo`; `eachOf` for each item of a list). Equal values are made one value, so that
 * they can be such arguments (`one`, `oneList`, `oneMap`). A text that peers choose is made a value too (`nameOf`): then what is made for it lives
 * no longer than the peers that say it.
 */

import { sameItems } from './lists.ts';

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
 *
 * Where only some arguments tell results apart, they are the first `keys`: those after them may make the work cheaper, not the result another.
 */
export function memo<A extends readonly unknown[], R>(compute: (...args: A) => R, keys?: number): (...args: A) => R {
  const root = new Level();
  return (...args: A): R => {
    let at = root;
    const before = (keys ?? args.length) - 1;
    for (let i = 0; i < before; i++) at = at.next(args[i]);
    const last = args[before];
    if (isObject(last)) {
      const known = at.resultOf(last);
      if (known !== undefined) return (known === NOTHING ? undefined : known) as R;
      const result = compute(...args);
      at.keep(last, result);
      return result;
    }
    if (before >= 0) at = at.next(last);
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

const serials = new WeakMap<object, number>();
let serial = 0;

/** Another one in each process: peers choose some of the texts, and must not choose which of them have one number. */
const SEED = Math.floor(Math.random() * 2 ** 32);

/** A number that stands for a value: of an object one that no other has, of a text or a number any. */
function numberOf(value: unknown): number {
  if (isObject(value)) {
    const known = serials.get(value) ?? ++serial;
    if (known === serial) serials.set(value, known);
    return known;
  }
  const text = String(value);
  let hash = SEED;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

const mixed = (a: number, b: number): number => {
  const h = Math.imul(a ^ b, 0x9e3779b1);
  return h ^ (h >>> 15);
};

/** So many different values that have one number are kept; one more is not shared. */
const PLACES = 8;

/** The values of one shape, each held weakly, by a number that equal ones have. */
class Kept<T extends object> {
  readonly #values = new Map<number, WeakRef<T>>();
  readonly #gone = new FinalizationRegistry<number>(at => {
    if (this.#values.get(at)?.deref() === undefined) this.#values.delete(at);
  });

  /** The value with the number `at` that is the `same`, else `value`. */
  one(at: number, value: T, same: (known: T) => boolean): T {
    let free: number | undefined;
    for (let place = at; place < at + PLACES; place++) {
      const known = this.#values.get(place)?.deref();
      if (known === undefined) free ??= place;
      else if (same(known)) return known;
    }
    if (free === undefined) return value;
    this.#values.set(free, new WeakRef(value));
    this.#gone.register(value, free);
    return value;
  }
}

const keptLists = new Kept<readonly unknown[]>();
const keptMaps = new Kept<ReadonlyMap<unknown, unknown>>();
const keptRecords = new Kept<object>();
const EMPTY: readonly never[] = Object.freeze([]);

function sameEntries(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of b) if (!Object.is(a.get(key), value) || !a.has(key)) return false;
  return true;
}

const sameFields = (a: object, names: readonly string[], values: readonly unknown[]): boolean =>
  sameItems(Object.keys(a), names) && sameItems(Object.values(a), values);

/** The one list of these items: lists with the same items in the same order are one value, for as long as somebody has it. */
export function oneList<L extends readonly unknown[]>(list: L): L;
export function oneList(list: readonly unknown[]): readonly unknown[] {
  if (list.length === 0) return EMPTY;
  let at = list.length;
  for (const item of list) at = mixed(at, numberOf(item));
  return keptLists.one(at, list, known => sameItems(known, list));
}

/** The one record of these fields in this order, frozen. */
export function one<T extends object>(record: T): T {
  const names = Object.keys(record);
  const values: readonly unknown[] = Object.values(record);
  let at = 1;
  for (const [i, name] of names.entries()) at = mixed(mixed(at, numberOf(name)), numberOf(values[i]));
  return Object.freeze(keptRecords.one(at, record, known => sameFields(known, names, values)) as T);
}

/** The one map of these entries, whatever their order. */
export function oneMap<K, V>(map: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  let at = map.size;
  for (const [key, value] of map) at = (at + mixed(numberOf(key), numberOf(value))) | 0;
  return keptMaps.one(at, map, known => sameEntries(known, map)) as ReadonlyMap<K, V>;
}

/** The one map of these lists, and each list of it the one of its items. */
export const oneMapOfLists = <K, V>(lists: ReadonlyMap<K, readonly V[]>): ReadonlyMap<K, readonly V[]> =>
  oneMap(new Map([...lists].map(([key, list]) => [key, oneList(list)])));

/** A name that peers choose (their namespace, their node) as a value. */
export interface Name {
  readonly name: string;
}

/** The one value of a name. */
export const nameOf = (name: string): Name => one({ name });

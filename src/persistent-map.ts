const EMPTY: ReadonlyMap<never, never> = new Map<never, never>();
const BUCKETS = 256;

/** FNV-1a, over the whole text: names often differ in one place only. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & (BUCKETS - 1);
}

/**
 * A map that never changes, of which a changed version costs little: it shares every bucket that a change did not touch, so that making it
 * copies a 256th, and comparing two versions compares 256 identities. Iterates bucket by bucket: an order that depends on the keys.
 */
export class PersistentMap<K extends string, V> implements ReadonlyMap<K, V> {
  readonly #buckets: readonly ReadonlyMap<K, V>[];
  readonly size: number;

  private constructor(buckets: readonly ReadonlyMap<K, V>[], size: number) {
    this.#buckets = buckets;
    this.size = size;
  }

  /** A map with these entries. */
  static of<K extends string, V>(entries: Iterable<readonly [K, V]> = []): PersistentMap<K, V> {
    return new PersistentMap<K, V>(new Array<ReadonlyMap<K, V>>(BUCKETS).fill(EMPTY), 0).with(entries);
  }

  /** The map with some entries set; those with an undefined value are removed. The map itself where nothing differs. */
  with(entries: Iterable<readonly [K, V | undefined]>): PersistentMap<K, V> {
    const fresh = new Map<number, Map<K, V>>();
    let size = this.size;
    for (const [key, value] of entries) {
      const at = bucketOf(key);
      let bucket = fresh.get(at);
      const known = bucket ?? this.#buckets[at] ?? EMPTY;
      const before = known.get(key);
      if (before === value) continue;
      if (!bucket) {
        bucket = new Map(known);
        fresh.set(at, bucket);
      }
      if (value === undefined) bucket.delete(key);
      else bucket.set(key, value);
      size += Number(before === undefined) - Number(value === undefined);
    }
    if (!fresh.size) return this;
    const buckets = [...this.#buckets];
    for (const [at, bucket] of fresh) buckets[at] = bucket;
    return new PersistentMap(buckets, size);
  }

  /** The map of what `f` makes of each part: fewer entries, or other values for them. */
  mapParts(f: (part: ReadonlyMap<K, V>) => ReadonlyMap<K, V>): PersistentMap<K, V> {
    const buckets = this.#buckets.map(f);
    if (buckets.every((bucket, i) => bucket === this.#buckets[i])) return this;
    return new PersistentMap(
      buckets,
      buckets.reduce((size, bucket) => size + bucket.size, 0),
    );
  }

  get(key: K): V | undefined {
    return this.#buckets[bucketOf(key)]?.get(key);
  }

  has(key: K): boolean {
    return this.#buckets[bucketOf(key)]?.has(key) ?? false;
  }

  /** The buckets: each keeps its identity until something in it changes. */
  get parts(): readonly ReadonlyMap<K, V>[] {
    return this.#buckets;
  }

  /** The parts in which two versions differ, each before and after. */
  *partsSince(previous: PersistentMap<K, V>): Generator<readonly [ReadonlyMap<K, V>, ReadonlyMap<K, V>], undefined> {
    for (let i = 0; i < BUCKETS; i++) {
      const [before, after] = [previous.#buckets[i] ?? EMPTY, this.#buckets[i] ?? EMPTY];
      if (before !== after) yield [before, after];
    }
  }

  *values(): Generator<V, undefined> {
    for (const bucket of this.#buckets) yield* bucket.values();
  }

  *keys(): Generator<K, undefined> {
    for (const bucket of this.#buckets) yield* bucket.keys();
  }

  *entries(): Generator<[K, V], undefined> {
    for (const bucket of this.#buckets) yield* bucket.entries();
  }

  [Symbol.iterator](): Generator<[K, V], undefined> {
    return this.entries();
  }

  forEach(f: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const bucket of this.#buckets) for (const [key, value] of bucket) f(value, key, this);
  }
}

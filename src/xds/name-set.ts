import { hash, randomBytes } from 'node:crypto';
import { Interner, memo } from '../memo.ts';

/** What tells sets apart: the sum of their names' digests, in four words of 32 bits. */
type Sum = readonly [number, number, number, number];

/** A part of a set. */
interface Bucket {
  readonly names: ReadonlySet<string>;
  readonly sum: Sum;
  /** Bytes of the names. */
  readonly bytes: number;
}

const ZERO: Sum = [0, 0, 0, 0];
const EMPTY: Bucket = Object.freeze({ names: new Set<string>(), sum: ZERO, bytes: 0 });
/** Above so many names a set has many buckets, below it one. */
const FLAT = 32;
const BUCKETS = 256;

// Clients choose the names: without the key nobody can choose two sets with one sum, or names that all fall into one bucket.
const key = randomBytes(16).toString('latin1');
const [seedA = 0, seedB = 0] = new Uint32Array(randomBytes(8).buffer.slice(0, 8));

/** Adds the digest of a name to a sum, or takes it from it where `by` is -1. */
function count(sum: [number, number, number, number], name: string, by: 1 | -1): void {
  const text = hash('sha256', key + name, 'binary');
  for (let i = 0; i < 4; i++) {
    const at = 4 * i;
    const word =
      text.charCodeAt(at) |
      (text.charCodeAt(at + 1) << 8) |
      (text.charCodeAt(at + 2) << 16) |
      (text.charCodeAt(at + 3) << 24);
    sum[i] = ((sum[i] ?? 0) + by * word) | 0;
  }
}

function bucketWith(names: readonly string[]): Bucket {
  const sum: [number, number, number, number] = [0, 0, 0, 0];
  let bytes = 0;
  for (const name of names) {
    count(sum, name, 1);
    bytes += Buffer.byteLength(name);
  }
  return { names: new Set(names), sum, bytes };
}

function bucketOf(name: string): number {
  let a = seedA | 0;
  let b = seedB | 0;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    a = Math.imul(a ^ c, 0x9e3779b1);
    a = (a << 13) | (a >>> 19);
    b = Math.imul(b + c, 0x85ebca6b) ^ a;
    b = (b << 15) | (b >>> 17);
  }
  return (a ^ b ^ (b >>> 16)) & (BUCKETS - 1);
}

/**
 * Names that a client asked for. Immutable, and interned: equal sets are one object. A set that was made from another shares with it all buckets
 * that did not change, so that a name more costs the same however many there are, and so does telling what differs.
 */
export class NameSet {
  /** Every name there is. */
  readonly all: boolean;
  readonly size: number;
  /** Bytes of all names. */
  readonly bytes: number;
  readonly #buckets: readonly Bucket[];
  readonly #sum: Sum;

  /** For this file: a set is made from another, or by `nameSet`. */
  constructor(all: boolean, buckets: readonly Bucket[], size: number, bytes: number, sum: Sum) {
    this.all = all;
    this.#buckets = buckets;
    this.size = size;
    this.bytes = bytes;
    this.#sum = sum;
    Object.freeze(this);
  }

  has(name: string): boolean {
    return this.all || this.#bucketOf(name).names.has(name);
  }

  /** The names, in no order that means anything; none where it is `all`. */
  [Symbol.iterator](): IterableIterator<string> {
    const list: string[] = [];
    for (const { names } of this.#buckets) for (const name of names) list.push(name);
    return list.values();
  }

  /** The set with these names too; costs what is given. */
  with(names: Iterable<string>): NameSet {
    return this.#changed(names, (bucket, name) => {
      if (bucket.has(name)) return 0;
      bucket.add(name);
      return 1;
    });
  }

  /** The set without these names; costs what is given. */
  without(names: Iterable<string>): NameSet {
    return this.#changed(names, (bucket, name) => (bucket.delete(name) ? -1 : 0));
  }

  /** The set without those of `other`; costs what differs between the two where one was made from the other. */
  minus(other: NameSet): NameSet {
    if (other === this) return NONE;
    const alike = this.#buckets.length === other.#buckets.length;
    if (!alike || other.size < BUCKETS) {
      return this.size < other.size ? NONE.with([...this].filter(name => !other.has(name))) : this.without(other);
    }
    const buckets = this.#buckets.map((bucket, at) => bucketWithout(bucket, other.#buckets[at] ?? EMPTY));
    return internedSet(buckets);
  }

  #bucketOf(name: string): Bucket {
    const { length } = this.#buckets;
    return this.#buckets[length === 1 ? 0 : bucketOf(name)] ?? EMPTY;
  }

  #changed(names: Iterable<string>, change: (bucket: Set<string>, name: string) => 0 | 1 | -1): NameSet {
    const list = [...names];
    const buckets = [...this.#grown(this.size + list.length)];
    const fresh = new Map<
      number,
      { readonly names: Set<string>; readonly sum: [number, number, number, number]; bytes: number }
    >();
    for (const name of list) {
      const at = buckets.length === 1 ? 0 : bucketOf(name);
      let bucket = fresh.get(at);
      if (!bucket) {
        const before = buckets[at] ?? EMPTY;
        bucket = { names: new Set(before.names), sum: [...before.sum], bytes: before.bytes };
        fresh.set(at, bucket);
      }
      const by = change(bucket.names, name);
      if (by === 0) continue;
      count(bucket.sum, name, by);
      bucket.bytes += by * Buffer.byteLength(name);
    }
    for (const [at, bucket] of fresh)
      if (bucket.names.size !== buckets[at]?.names.size) buckets[at] = bucket.names.size === 0 ? EMPTY : bucket;
    return internedSet(buckets);
  }

  /** The buckets of this set as one of so many names has them. */
  #grown(size: number): readonly Bucket[] {
    if (this.#buckets.length > 1 || size <= FLAT) return this.#buckets;
    const sets = Array.from({ length: BUCKETS }, (): string[] => []);
    for (const name of this) sets[bucketOf(name)]?.push(name);
    return sets.map(names => (names.length === 0 ? EMPTY : bucketWith(names)));
  }
}

function bucketWithout(bucket: Bucket, other: Bucket): Bucket {
  if (bucket === other || bucket === EMPTY) return EMPTY;
  if (other === EMPTY) return bucket;
  const left = [...bucket.names].filter(name => !other.names.has(name));
  if (left.length === bucket.names.size) return bucket;
  return left.length === 0 ? EMPTY : bucketWith(left);
}

const interned = new Interner<NameSet>();

function internedSet(buckets: readonly Bucket[]): NameSet {
  let size = 0;
  let bytes = 0;
  let [a, b, c, d] = ZERO;
  for (const bucket of buckets) {
    if (bucket === EMPTY) continue;
    size += bucket.names.size;
    bytes += bucket.bytes;
    a = (a + bucket.sum[0]) | 0;
    b = (b + bucket.sum[1]) | 0;
    c = (c + bucket.sum[2]) | 0;
    d = (d + bucket.sum[3]) | 0;
  }
  if (size === 0) return NONE;
  return interned.intern(`${size} ${a} ${b} ${c} ${d}`, () => new NameSet(false, buckets, size, bytes, [a, b, c, d]));
}

/** Every name. */
export const ALL = new NameSet(true, [EMPTY], 0, 0, ZERO);
/** No name. */
export const NONE = new NameSet(false, [EMPTY], 0, 0, ZERO);

/** The set of these names. */
export const nameSet = (names: Iterable<string>): NameSet => NONE.with(names);

const joined = memo((a: NameSet, b: NameSet): NameSet => (a.size < b.size ? b.with(a) : a.with(b)));
const remaining = memo((a: NameSet, b: NameSet): NameSet => a.minus(b));

/** `a` and `b` together. */
export const union = (a: NameSet, b: NameSet): NameSet =>
  a === b || b === NONE ? a : a === NONE ? b : a.all || b.all ? ALL : joined(a, b);

/** `a` without `b`; `a` must be listed names. */
export const without = (a: NameSet, b: NameSet): NameSet => (a === NONE || b === NONE ? a : remaining(a, b));

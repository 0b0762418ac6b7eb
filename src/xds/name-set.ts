import { randomBytes } from 'node:crypto';
import { memo, one } from '../memo.ts';

/** What tells sets apart: the sum of their names' digests, in two words of 32 bits. */
type Sum = readonly [number, number];

/** What tells a set from all others. */
interface Digest {
  readonly size: number;
  /** Of all names. */
  readonly bytes: number;
  readonly low: number;
  readonly high: number;
}

/** A part of a set. */
interface Bucket {
  readonly names: ReadonlySet<string>;
  readonly sum: Sum;
  /** Bytes of the names. */
  readonly bytes: number;
}

const ZERO: Sum = [0, 0];
const EMPTY: Bucket = Object.freeze({ names: new Set<string>(), sum: ZERO, bytes: 0 });
/** Above so many names a set has many buckets, below it one. */
const FLAT = 32;
const BUCKETS = 256;

// Clients choose the names: without the key nobody can choose two sets with one sum, or names that all fall into one bucket.
const [key0 = 0, key1 = 0] = new Int32Array(randomBytes(8).buffer.slice(0, 8));

/** What `digest` found last; it is asked for every name of every client, and gives no object for that. */
let [low, high, length] = [0, 0, 0];

/**
 * The digest of a name, 64 bits in `low` and `high`, and its bytes as UTF-8: HalfSipHash-1-3 of its UTF-16 units, a hash for tables whose keys
 * others choose (https://github.com/veorq/SipHash). 200,000 names are asked for in one request.
 */
function digest(name: string): void {
  let v0 = key0;
  let v1 = key1 ^ 0xee;
  let v2 = key0 ^ 0x6c796765;
  let v3 = key1 ^ 0x74656462;
  let bytes = name.length;
  // After the last unit come the length, and six rounds in which nothing is added.
  const words = (name.length >> 1) + 1;
  for (let i = 0; i < words + 6; i++) {
    let word = 0;
    if (i < words) {
      const a = i * 2 < name.length ? name.charCodeAt(i * 2) : 0;
      const b = i * 2 + 1 < name.length ? name.charCodeAt(i * 2 + 1) : name.length;
      if (a > 0x7f) bytes += extraBytes(a);
      if (b > 0x7f && i * 2 + 1 < name.length) bytes += extraBytes(b);
      word = a | (b << 16);
    } else if (i === words) v2 ^= 0xee;
    else if (i === words + 3) {
      low = v1 ^ v3;
      v1 ^= 0xdd;
    }
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  high = v1 ^ v3;
  length = bytes;
}

/** The bytes beyond its first that a unit takes; the two of a pair take four together. */
const extraBytes = (unit: number): number => (unit > 0x7ff && (unit & 0xf800) !== 0xd800 ? 2 : 1);

/** Adds a name that was digested to a sum, or takes it from it where `by` is -1. */
function count(sum: [number, number], by: number): void {
  sum[0] = (sum[0] + by * low) | 0;
  sum[1] = (sum[1] + by * high) | 0;
}

function bucketWith(names: readonly string[]): Bucket {
  const sum: [number, number] = [0, 0];
  let bytes = 0;
  for (const name of names) {
    digest(name);
    count(sum, 1);
    bytes += length;
  }
  return { names: new Set(names), sum, bytes };
}

function bucketOf(name: string): number {
  digest(name);
  return low & (BUCKETS - 1);
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
  /** The set is found by it for as long as it lives. */
  readonly digest: Digest;

  /** For this file: a set is made from another, or by `nameSet`. */
  constructor(all: boolean, buckets: readonly Bucket[], digest: Digest) {
    this.all = all;
    this.#buckets = buckets;
    this.size = digest.size;
    this.bytes = digest.bytes;
    this.digest = digest;
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
    return this.#changed(names, 'add');
  }

  /** The set without these names; costs what is given. */
  without(names: Iterable<string>): NameSet {
    return this.#changed(names, 'delete');
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

  #changed(names: Iterable<string>, change: 'add' | 'delete'): NameSet {
    const list = [...names];
    const buckets = [...this.#grown(this.size + list.length)];
    // Bucket by bucket: a small table is quickly grown, and stays in the processor's cache.
    const parts = buckets.length === 1 ? [list] : byBucket(list);
    for (const [at, part] of parts.entries())
      if (part.length > 0) buckets[at] = changedBucket(buckets[at] ?? EMPTY, part, change);
    return internedSet(buckets);
  }

  /** The buckets of this set as one of so many names has them. */
  #grown(size: number): readonly Bucket[] {
    if (this.#buckets.length > 1 || size <= FLAT) return this.#buckets;
    return byBucket(this).map(names => (names.length === 0 ? EMPTY : bucketWith(names)));
  }
}

function byBucket(names: Iterable<string>): readonly (readonly string[])[] {
  const parts = Array.from({ length: BUCKETS }, (): string[] => []);
  for (const name of names) parts[bucketOf(name)]?.push(name);
  return parts;
}

function changedBucket(bucket: Bucket, changed: readonly string[], change: 'add' | 'delete'): Bucket {
  const names = new Set(bucket.names);
  const sum: [number, number] = [...bucket.sum];
  let { bytes } = bucket;
  for (const name of changed) {
    const before = names.size;
    names[change](name);
    const by = names.size - before;
    if (by === 0) continue;
    digest(name);
    count(sum, by);
    bytes += by * length;
  }
  return names.size === bucket.names.size ? bucket : names.size === 0 ? EMPTY : { names, sum, bytes };
}

function bucketWithout(bucket: Bucket, other: Bucket): Bucket {
  if (bucket === other || bucket === EMPTY) return EMPTY;
  if (other === EMPTY) return bucket;
  const left = [...bucket.names].filter(name => !other.names.has(name));
  if (left.length === bucket.names.size) return bucket;
  return left.length === 0 ? EMPTY : bucketWith(left);
}

const setOf = memo((digest: Digest, buckets: readonly Bucket[]) => new NameSet(false, buckets, digest), 1);

function internedSet(buckets: readonly Bucket[]): NameSet {
  let size = 0;
  let bytes = 0;
  let [low, high] = ZERO;
  for (const bucket of buckets) {
    if (bucket === EMPTY) continue;
    size += bucket.names.size;
    bytes += bucket.bytes;
    low = (low + bucket.sum[0]) | 0;
    high = (high + bucket.sum[1]) | 0;
  }
  if (size === 0) return NONE;
  return setOf(one({ size, bytes, low, high }), buckets);
}

/** Every name. */
export const ALL = new NameSet(true, [EMPTY], { size: 0, bytes: 0, low: 0, high: 0 });
/** No name. */
export const NONE = new NameSet(false, [EMPTY], ALL.digest);

/** The set of these names. */
export const nameSet = (names: Iterable<string>): NameSet => NONE.with(names);

const joined = memo((a: NameSet, b: NameSet): NameSet => (a.size < b.size ? b.with(a) : a.with(b)));
const remaining = memo((a: NameSet, b: NameSet): NameSet => a.minus(b));

/** `a` and `b` together. */
export const union = (a: NameSet, b: NameSet): NameSet =>
  a === b || b === NONE ? a : a === NONE ? b : a.all || b.all ? ALL : joined(a, b);

/** `a` without `b`; `a` must be listed names. */
export const without = (a: NameSet, b: NameSet): NameSet => (a === NONE || b === NONE ? a : remaining(a, b));

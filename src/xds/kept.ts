import { type BoundName, bounds } from '../bounds.ts';
import { BoundError } from '../grpc/status.ts';
import { type NameSet, NONE } from './name-set.ts';

/** Bytes that a name costs beside its own. */
const EACH = 64;
/** A Node of so many bytes is as any, and is shared with equal ones. */
const USUAL_NODE = 32 * 1024;

const weightOf = ({ bytes, size }: NameSet): number => bytes + EACH * size;

/** Bytes of what the streams of a server have said and what is kept of it for as long as they last. Names that several streams ask for count once. */
export class KeptBytes {
  readonly #holders = new Map<NameSet, number>();
  #used = 0;

  get used(): number {
    return this.#used;
  }

  add(bytes: number): void {
    this.#used += bytes;
  }

  hold(names: NameSet): void {
    const holders = this.#holders.get(names) ?? 0;
    if (holders === 0) this.#used += weightOf(names);
    this.#holders.set(names, holders + 1);
  }

  release(names: NameSet): void {
    const holders = this.#holders.get(names) ?? 0;
    if (holders > 1) this.#holders.set(names, holders - 1);
    else if (this.#holders.delete(names)) this.#used -= weightOf(names);
  }
}

/** What one stream has said that is kept. */
export class StreamKept {
  readonly #all: KeptBytes;
  readonly #names = new Map<string, NameSet>();
  readonly #versions = new Map<string, number>();
  #used = 0;

  constructor(all: KeptBytes, nodeBytes: number) {
    this.#all = all;
    // Its text tells proxies apart, and its values are what is read.
    this.#add(2 * Math.max(0, nodeBytes - USUAL_NODE));
  }

  get used(): number {
    return this.#used;
  }

  /** Takes note of the names that are asked for of a type. Throws where they are too many. */
  names(type: string, names: NameSet): void {
    const before = this.#names.get(type) ?? NONE;
    if (names === before) return;
    if (names.size > bounds.names.most) throw new BoundError('names', `names of ${type}`);
    this.#used += weightOf(names) - weightOf(before);
    this.#all.hold(names);
    this.#all.release(before);
    this.#names.set(type, names);
    this.#check('stream-name-bytes');
  }

  /** Takes note of the versions that a client came with; they are kept until it has acknowledged what it was sent instead. */
  versions(type: string, versions: ReadonlyMap<string, string> | undefined): void {
    let bytes = 0;
    if (versions) for (const [name, version] of versions) bytes += name.length + version.length + EACH;
    const before = this.#versions.get(type) ?? 0;
    if (bytes === before) return;
    this.#add(bytes - before);
    this.#versions.set(type, bytes);
    this.#check('stream-name-bytes');
  }

  /** The stream is over. */
  close(): void {
    for (const [type, names] of this.#names) {
      this.#all.release(names);
      this.#used -= weightOf(names);
      this.#names.delete(type);
    }
    this.#add(-this.#used);
  }

  #add(bytes: number): void {
    this.#used += bytes;
    this.#all.add(bytes);
  }

  #check(name: BoundName): void {
    if (this.#used > bounds['stream-name-bytes'].most) throw new BoundError(name);
  }
}

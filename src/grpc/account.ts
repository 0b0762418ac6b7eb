import { type BoundName, bound } from '../bounds.ts';

/** Bytes that one peer has taken, counted with those of whatever it is a part of: a stream, its connection, the process. */
export class Account {
  readonly #bound: BoundName;
  readonly #parent: Account | undefined;
  #used = 0;

  constructor(bound: BoundName, parent?: Account) {
    this.#bound = bound;
    this.#parent = parent;
  }

  get used(): number {
    return this.#used;
  }

  /** Takes bytes, and gives them back where negative. Tells the bound that is met, if one is; then nothing is taken. */
  take(bytes: number): BoundName | undefined {
    if (bytes > 0 && this.#used + bytes > bound(this.#bound).most) return this.#bound;
    const met = this.#parent?.take(bytes);
    if (!met) this.#used += bytes;
    return met;
  }

  /** Gives back all. */
  close(): void {
    this.take(-this.#used);
  }
}

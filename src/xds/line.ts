/** Room that is not worth letting go of. */
const LITTLE = 8;

/** Things in the order in which they came. What is taken from its beginning costs no more the longer it is. */
export class Line<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  get size(): number {
    return this.#items.length - this.#first;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** Takes the first one out. */
  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#first];
    this.#items[this.#first++] = undefined;
    if (this.#first > LITTLE && this.#first * 2 >= this.#items.length) this.#close();
    return item;
  }

  /** Takes one out, wherever it is. */
  delete(item: T): void {
    const at = this.#items.indexOf(item, this.#first);
    if (at >= 0) this.#items.splice(at, 1);
  }

  /** Lets go of the room before the first. */
  #close(): void {
    if (this.size === 0) this.#items.length = 0;
    else this.#items = this.#items.slice(this.#first);
    this.#first = 0;
  }
}

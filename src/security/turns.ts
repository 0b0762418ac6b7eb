import { addTo } from '../lists.ts';

/** Those who wait, by whom they are of: everybody has a turn before anybody has a second one. */
export class Turns<T> {
  /** By whom they are of; the one whose turn it is comes first. */
  readonly #waiting = new Map<string, T[]>();

  add(of: string, one: T): void {
    addTo(this.#waiting, of, one);
  }

  /** Takes the one whose turn it is; undefined where nobody waits. */
  next(): T | undefined {
    for (const [of, line] of this.#waiting) {
      this.#waiting.delete(of);
      const one = line.shift();
      if (line.length > 0) this.#waiting.set(of, line);
      return one;
    }
    return undefined;
  }

  /** Takes the last of those who are of whoever has most waiting; undefined where another one of `of` would have as many. */
  last(of: string): T | undefined {
    let most = this.#waiting.get(of) ?? [];
    const own = most.length;
    for (const line of this.#waiting.values()) if (line.length > most.length) most = line;
    return most.length > own + 1 ? most.pop() : undefined;
  }
}

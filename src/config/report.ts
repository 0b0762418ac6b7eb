import { addTo, keptList } from '../lists.ts';
import type { ObjectKey } from '../object-key.ts';
import type { Problem } from './problem.ts';

/** Reports what is wrong with an item of a list; what it returns, if it does, stands in the item's place. */
type Check<T> = ((item: T, path: string) => T) | ((item: T, path: string) => void);

/**
 * Collects what is wrong with one object while it is read, and knows which parts of it that concerns: an error makes every part that holds its
 * field invalid, up to the smallest one that can be left out without changing what the rest means. An object with an error that no part
 * took with it is not valid.
 */
export class Report {
  readonly #object: ObjectKey;
  readonly #problems: Problem[] = [];
  /** How many errors there are in each part, by path; those of parts left out no longer count. */
  readonly #errors = new Map<string, number>();
  /** By the path of a list: the indexes that the reader of the schema left out already. */
  readonly #missing = new Map<string, number[]>();
  /** By the path of a list: all indexes that are left out. */
  readonly #dropped = new Map<string, Set<number>>();

  constructor(object: ObjectKey) {
    this.#object = object;
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** The field is not in force. */
  error(path: string, message: string): void {
    const at = this.#written(path);
    this.#problems.push({ object: this.#object, path: at, message, severity: 'error' });
    this.#count(at, 1);
  }

  /** The field is in force, or never had an effect. */
  warning(path: string, message: string): void {
    this.#problems.push({ object: this.#object, path: this.#written(path), message, severity: 'warning' });
  }

  /** Says which items of lists a reader left out: from here on, indexes are those of the lists without them. */
  leftOut(paths: readonly string[]): void {
    for (const path of paths) {
      const match = /^(.*)\[(\d+)\]$/.exec(path);
      if (!match) continue;
      const [, list = '', index = ''] = match;
      addTo(this.#missing, list, Number(index));
      this.#drop(list, Number(index));
    }
  }

  /** The indexes of list items that are left out of the object, ascending, by the path of the list; all as the user wrote them. */
  get dropped(): Readonly<Record<string, readonly number[]>> {
    return Object.fromEntries([...this.#dropped].map(([list, indexes]) => [list, [...indexes].sort((a, b) => a - b)]));
  }

  /** Whether something in this part is wrong. */
  failed(path: string): boolean {
    return (this.#errors.get(this.#written(path)) ?? 0) > 0;
  }

  /** The part is left out: what holds it is no longer invalid because of it. */
  absorb(path: string): void {
    this.#absorb(this.#written(path));
  }

  /** The items of a list without those in which something is wrong; in place of an item stands what `check` returns. */
  keep<T>(items: readonly T[] | undefined, path: string, check: Check<T>): readonly T[] | undefined {
    const list = this.#written(path);
    for (const index of this.#missing.get(list) ?? []) this.#absorb(`${list}[${index}]`);
    if (!items) return items;
    const kept: T[] = [];
    items.forEach((item, i) => {
      const at = `${path}[${i}]`;
      const checked = check(item, at) ?? item;
      if (this.failed(at)) {
        this.absorb(at);
        const index = /\[(\d+)\]$/.exec(this.#written(at))?.[1];
        this.#drop(list, Number(index));
      } else kept.push(checked);
    });
    return keptList(items, kept);
  }

  /** Whether the reader of the schema left items out of a list: they may have said anything. */
  misses(path: string): boolean {
    return this.#missing.has(this.#written(path));
  }

  /** Whether a list lost all its items: what that means to its reader is hardly what an empty list means. */
  emptied(kept: readonly unknown[] | undefined, path: string): boolean {
    return !kept?.length && this.#dropped.has(this.#written(path));
  }

  /** As `keep`, where something must be left: if nothing would be, all of it is returned and stays wrong. */
  keepSome<T>(items: readonly T[] | undefined, path: string, check: Check<T>): readonly T[] | undefined {
    const checked = items?.map((item, i) => check(item, `${path}[${i}]`) ?? item);
    if (checked?.length && checked.every((_, i) => this.failed(`${path}[${i}]`))) return checked;
    if (!checked?.length && this.failed(path)) return checked;
    return this.keep(checked, path, () => {});
  }

  /** The object without those of the named fields in which something is wrong; what `instead` has is in their place. */
  without<T extends object>(value: T, path: string, fields: readonly (keyof T & string)[], instead?: T): T {
    const wrong = fields.filter(field => this.failed(`${path}.${field}`));
    if (!wrong.length) return value;
    for (const field of wrong) this.absorb(`${path}.${field}`);
    const names: ReadonlySet<string> = new Set(wrong);
    const entries = Object.entries(value).filter(([name]) => !names.has(name));
    for (const field of wrong) if (instead?.[field] !== undefined) entries.push([field, instead[field]]);
    return Object.fromEntries(entries) as T;
  }

  #drop(list: string, index: number): void {
    const known = this.#dropped.get(list);
    if (known) known.add(index);
    else this.#dropped.set(list, new Set([index]));
  }

  #absorb(at: string): void {
    this.#count(at, -(this.#errors.get(at) ?? 0));
  }

  #count(at: string, errors: number): void {
    if (!errors) return;
    const add = (part: string) => {
      // Kept at zero: a Map takes long to look for what was often deleted from it.
      this.#errors.set(part, (this.#errors.get(part) ?? 0) + errors);
    };
    for (let i = 0; i < at.length; i++) if (at[i] === '.' || at[i] === '[') add(at.slice(0, i));
    add(at);
  }

  /** A path with the indexes that the user wrote. */
  #written(path: string): string {
    if (!this.#missing.size) return path;
    let written = '';
    for (const part of path.split(/(\[\d+\])/)) {
      const index = /^\[(\d+)\]$/.exec(part)?.[1];
      if (index === undefined) {
        written += part;
        continue;
      }
      written += `[${withMissing(Number(index), this.#missing.get(written) ?? [])}]`;
    }
    return written;
  }
}

/** The index of an item in the list as it was, by its index in the list without the `missing` ones, which ascend. */
function withMissing(index: number, missing: readonly number[]): number {
  let [low, high] = [0, missing.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((missing[middle] ?? 0) - middle <= index) low = middle + 1;
    else high = middle;
  }
  return index + low;
}

/** Every item of a list with its path. */
export function each<T>(items: readonly T[] | undefined, path: string, check: (item: T, path: string) => void): void {
  for (const [i, item] of (items ?? []).entries()) check(item, `${path}[${i}]`);
}

/** As long as a key may be in a path: it may be as long as its object. */
const maxKey = 200;

/** The path of an entry of a map: `headers["x-user"]`. */
export const entry = (path: string, key: string): string =>
  /^[A-Za-z_]\w*$/.test(key) && key.length <= maxKey
    ? `${path}.${key}`
    : `${path}[${JSON.stringify(key.length > maxKey ? `${key.slice(0, maxKey)}...` : key)}]`;

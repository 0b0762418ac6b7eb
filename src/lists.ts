/** What lists have no method for. */

/** Puts an item at the end of the list of its group. */
export function addTo<K, T>(groups: Map<K, T[]>, group: K, item: T): void {
  const list = groups.get(group);
  if (list) list.push(item);
  else groups.set(group, [item]);
}

/** Whether two lists have the same items in the same order. */
export const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, i) => Object.is(item, b[i]));

/** `next`; the very list before where it has the same items. */
export const keptList = <T>(before: readonly T[], next: readonly T[]): readonly T[] =>
  sameItems(before, next) ? before : next;

/** The item of a list that has no other; undefined where it has none or several. */
export const onlyItem = <T>(list: readonly T[]): T | undefined => (list.length === 1 ? list[0] : undefined);

/** The first item of each key. */
export function distinctBy<T>(items: readonly T[], keyOf: (item: T) => unknown): readonly T[] {
  const seen = new Set<unknown>();
  return items.filter(item => {
    const key = keyOf(item);
    return !seen.has(key) && seen.add(key);
  });
}

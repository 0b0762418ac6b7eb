import { pause } from '../../proto/json.ts';

interface Named<T> {
  readonly name: string;
  readonly item: T;
}

/** So many are sorted, or put together, at once. */
const RUN = 256;

function* merged<T>(a: readonly Named<T>[], b: readonly Named<T>[]): Generator<typeof pause, readonly Named<T>[]> {
  const out: Named<T>[] = [];
  for (let [i, j] = [0, 0]; ; ) {
    const [left, right] = [a[i], b[j]];
    if (left && (!right || left.name <= right.name)) i++;
    else if (right) j++;
    const next = left && (!right || left.name <= right.name) ? left : right;
    if (!next) return out;
    if (out.push(next) % RUN === 0) yield pause;
  }
}

/** Items by their names; pauses while it sorts them. */
export function* sortedBy<T>(items: Iterable<T>, nameOf: (item: T) => string): Generator<T | typeof pause> {
  let runs: (readonly Named<T>[])[] = [];
  const all = [...items];
  for (let at = 0; at < all.length; at += RUN) {
    const run = all.slice(at, at + RUN).map(item => ({ name: nameOf(item), item }));
    runs.push(run.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)));
    yield pause;
  }
  while (runs.length > 1) {
    const longer: (readonly Named<T>[])[] = [];
    for (let at = 0; at < runs.length; at += 2) longer.push(yield* merged(runs[at] ?? [], runs[at + 1] ?? []));
    runs = longer;
  }
  for (const { item } of runs[0] ?? []) yield item;
}

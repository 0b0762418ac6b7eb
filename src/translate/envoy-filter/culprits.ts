import type { Failure, Patch } from './patch.ts';

/** What is wrong where some of the patches of a message are applied. With none of them nothing is. */
export type FaultsWith = (kept: ReadonlySet<Patch>) => readonly string[];

/** How many patches are applied at most, all in all, to find those at fault: many bad ones are no reason to keep everybody waiting. */
const MOST_WORK = 30_000;
const LEAST_TRIALS = 16;
/** How many patches that all do the same wrong are found one by one. */
const ONE_BY_ONE = 8;

const failureOf = (patch: Patch, faults: readonly string[], left: readonly string[] = []): Failure => ({
  patch,
  path: `${patch.path}.patch`,
  message: faults.find(fault => !left.includes(fault)) ?? faults[0] ?? '',
});

class Search {
  readonly kept: Set<Patch>;
  readonly found: Failure[] = [];
  readonly #faultsWith: FaultsWith;
  #trials: number;

  constructor(applied: readonly Patch[], faultsWith: FaultsWith) {
    this.kept = new Set(applied);
    this.#faultsWith = faultsWith;
    this.#trials = Math.max(LEAST_TRIALS, Math.ceil(MOST_WORK / Math.max(applied.length, 1)));
  }

  get tired(): boolean {
    return this.#trials <= 0;
  }

  faults(kept: ReadonlySet<Patch> = this.kept): readonly string[] {
    this.#trials--;
    return this.#faultsWith(kept);
  }

  #blame(patches: readonly Patch[], faults: readonly string[], left?: readonly string[]): void {
    this.found.push(...patches.map(patch => failureOf(patch, faults, left)));
    for (const patch of patches) this.kept.delete(patch);
  }

  /**
   * Takes out those without which there is less wrong. They are left out one by one, from the last to the first: so of two that are wrong
   * only together the later one goes, and a pair of which the second one makes good what the first one does (remove the router, add another)
   * stays. Of very many patches whole runs are left out first.
   */
  takeAvoidable(patches: readonly Patch[] = [...this.kept]): void {
    const size = Math.ceil(patches.length / Math.max(1, Math.min(128, this.#trials >> 1)));
    let faults = this.faults();
    for (let end = patches.length; end > 0 && faults.length && !this.tired; end -= size) {
      const part = patches.slice(Math.max(0, end - size), end);
      const rest = new Set(this.kept);
      for (const patch of part) rest.delete(patch);
      const left = this.faults(rest);
      if (left.length >= faults.length) continue;
      if (part.length === 1) {
        this.#blame(part, faults, left);
        faults = left;
      } else {
        this.takeAvoidable(part);
        faults = this.faults();
      }
    }
  }

  /** Takes out the patch with which something is wrong and before which nothing is, where several do the same wrong. */
  takeFirst(): void {
    const patches = [...this.kept];
    let good = 0;
    let bad = patches.length;
    while (bad - good > 1) {
      const middle = (good + bad) >> 1;
      if (this.faults(new Set(patches.slice(0, middle))).length) bad = middle;
      else good = middle;
    }
    this.#blame(patches.slice(good, bad), this.faults(new Set(patches.slice(0, bad))));
  }

  /** Starts from none and adds, by halves, those with which nothing is wrong. */
  addGood(): void {
    const patches = [...this.kept];
    this.kept.clear();
    const add = (part: readonly Patch[]): void => {
      const faults = this.faults(new Set([...this.kept, ...part]));
      if (!faults.length) for (const patch of part) this.kept.add(patch);
      else if (part.length === 1 || this.tired) this.#blame(part, faults);
      else {
        add(part.slice(0, part.length >> 1));
        add(part.slice(part.length >> 1));
      }
    };
    add(patches);
  }
}

/** The patches that bring faults, among those that were applied, in their order. */
export function culprits(applied: readonly Patch[], faultsWith: FaultsWith): readonly Failure[] {
  const search = new Search(applied, faultsWith);
  for (let i = 0; i < ONE_BY_ONE && !search.tired && search.faults().length; i++) {
    const before = search.found.length;
    search.takeAvoidable();
    if (search.found.length === before) search.takeFirst();
  }
  if (search.faults().length) search.addGood();
  return search.found;
}

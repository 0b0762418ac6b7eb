import type { Failure } from './outcome.ts';
import type { Patch } from './patch.ts';

/** What is wrong where some of the patches of a message are applied. With none of them nothing is. */
export type FaultsWith = (kept: ReadonlySet<Patch>) => readonly string[];

/** Into how many parts a list of patches is divided where those at fault are looked for, and how many are found at most. */
const PARTS = 128;

const failureOf = (patch: Patch, faults: readonly string[], left: readonly string[] = []): Failure => ({
  patch,
  path: `${patch.path}.patch`,
  message: faults.find(fault => !left.includes(fault)) ?? faults[0] ?? '',
});

/**
 * Those without which there is less wrong, taken out of `kept`. They are left out one by one, from the last to the first: so of two that
 * are wrong only together the later one goes; and a pair of which the second one makes good what the first one does (remove the router, add
 * another) stays. Of very many patches whole runs are left out first.
 */
function avoidable(patches: readonly Patch[], kept: Set<Patch>, faultsWith: FaultsWith): readonly Failure[] {
  const found: Failure[] = [];
  const size = Math.ceil(patches.length / PARTS);
  let faults = faultsWith(kept);
  for (let end = patches.length; end > 0; end -= size) {
    const part = patches.slice(Math.max(0, end - size), end);
    for (const patch of part) kept.delete(patch);
    const left = faultsWith(kept);
    const [only] = part;
    if (left.length < faults.length && part.length === 1 && only) {
      found.push(failureOf(only, faults, left));
      faults = left;
      continue;
    }
    for (const patch of part) kept.add(patch);
    if (left.length >= faults.length) continue;
    found.push(...avoidable(part, kept, faultsWith));
    faults = faultsWith(kept);
  }
  return found;
}

/** The patch with which something is wrong and before which nothing is, where several do the same wrong. */
function first(kept: Set<Patch>, faultsWith: FaultsWith): readonly Failure[] {
  const patches = [...kept];
  let good = 0;
  let bad = patches.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (faultsWith(new Set(patches.slice(0, middle))).length) bad = middle;
    else good = middle;
  }
  const patch = patches[good];
  if (!patch) return [];
  kept.delete(patch);
  return [failureOf(patch, faultsWith(new Set(patches.slice(0, bad))))];
}

/** The patches that bring faults, among those that were applied, in their order. */
export function culprits(applied: readonly Patch[], faultsWith: FaultsWith): readonly Failure[] {
  const kept = new Set(applied);
  const found: Failure[] = [];
  while (found.length < PARTS && faultsWith(kept).length) {
    const some = avoidable([...kept], kept, faultsWith);
    found.push(...(some.length ? some : first(kept, faultsWith)));
  }
  return found;
}

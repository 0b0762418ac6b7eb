import type { Problem } from '../../config/problem.ts';
import { memo } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import { EnvoyFilter_Patch_Operation as Operation } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { culprits } from './culprits.ts';
import { type Failure, merges, type Patch } from './patch.ts';

/** The failure as a problem of the patch's EnvoyFilter. */
export const problemOf = ({ patch, path, message }: Failure): Problem => ({
  object: patch.filter,
  path,
  message,
  severity: 'error',
});

/** What happened while patches were applied. */
export interface PatchLog {
  /** The patches that matched, in the order in which they were applied. */
  readonly applied: Set<Patch>;
  readonly failures: Failure[];
}

/** An empty log. */
export const patchLog = (): PatchLog => ({ applied: new Set(), failures: [] });

/** Records that a patch matched and could not be applied. */
export function fail(log: PatchLog, patch: Patch, message: string): void {
  log.failures.push({ patch, path: `${patch.path}.patch.value`, message });
}

/** What a merge made of a resource; the resource as it was where its name is another one: others know it by that, so such a patch fails. */
export function keptName<M extends { readonly name?: string | undefined }>(
  log: PatchLog,
  patch: Patch,
  before: M,
  after: M,
): M {
  if (after.name === before.name) return after;
  fail(log, patch, `${before.name} keeps its name: a merge cannot make it ${after.name}`);
  return before;
}

/** A message after the patches that merge into it, or remove it: then it is undefined. `merge` is not asked where the operation is another one. */
export function mergedOrRemoved<M>(
  original: M,
  patches: readonly Patch<M>[],
  matches: (message: M, patch: Patch<M>) => boolean,
  merge: (message: M, patch: Patch<M>) => M,
  applied: Set<Patch>,
): M | undefined {
  let message = original;
  for (const patch of patches) {
    const removes = patch.operation === Operation.REMOVE;
    if (!(removes || merges(patch)) || !matches(message, patch)) continue;
    applied.add(patch);
    if (removes) return undefined;
    message = merge(message, patch);
  }
  return message;
}

/** A message after its patches: undefined where it was removed, the very message where none applied. */
export interface Outcome<M> {
  readonly message: M | undefined;
  /** The EnvoyFilters that shaped it. */
  readonly filters: readonly ObjectKey[];
  readonly failures: readonly Failure[];
}

/** A message for which there are no patches. */
export const untouched: <M extends object>(message: M) => Outcome<M> = memo(<M>(message: M) =>
  Object.freeze({ message, filters: [], failures: [] }),
);

/** Applies those patches that it is told to keep. */
type Apply<M> = (keep: (patch: Patch) => boolean, log: PatchLog) => M | undefined;

/** What is wrong with a message. */
export type FaultsOf<M> = (message: M) => Iterable<string>;

/** A fault without the places in lists that it names: an insertion moves what follows. */
const kindOf = (fault: string): string => fault.replaceAll(/\[\d+\]/g, '[]');

/** The faults that are not among those before. */
function beyond(before: readonly string[], faults: Iterable<string>): readonly string[] {
  const known = new Map<string, number>();
  for (const kind of before.map(kindOf)) known.set(kind, (known.get(kind) ?? 0) + 1);
  return [...faults].filter(fault => {
    const kind = kindOf(fault);
    const left = known.get(kind) ?? 0;
    if (left) known.set(kind, left - 1);
    return !left;
  });
}

/** Applies patches to a message and checks what comes of it. Faults that the message did not have before are blamed on the patches that bring them. */
export function outcome<M>(original: M, apply: Apply<M>, faultsOf: FaultsOf<M>): Outcome<M> {
  const log = patchLog();
  const message = apply(() => true, log);
  const filters = [...new Set([...log.applied].map(patch => patch.filter))];
  const { failures } = log;
  if (message === undefined || message === original || failures.length)
    return Object.freeze({ message, filters, failures });
  const before = [...faultsOf(original)];
  const newFaults = (made: M | undefined): readonly string[] =>
    made === undefined || made === original ? [] : beyond(before, faultsOf(made));
  if (!newFaults(message).length) return Object.freeze({ message, filters, failures });
  const found = culprits([...log.applied], kept => newFaults(apply(patch => kept.has(patch), patchLog())));
  return Object.freeze({ message: original, filters: [], failures: found });
}

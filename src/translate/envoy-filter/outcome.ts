import type { Problem } from '../../config/problem.ts';
import type { ObjectKey } from '../../model/object.ts';
import type { Patch } from './patch.ts';

/** A patch that cannot be in force, and why. */
export interface Failure {
  readonly filter: ObjectKey;
  readonly path: string;
  readonly message: string;
}

/** The failure as a problem of its EnvoyFilter. */
export const problemOf = ({ filter, path, message }: Failure): Problem => ({
  object: filter,
  path,
  message,
  severity: 'error',
});

/** What happened while patches were applied. */
export interface PatchLog {
  /** The patches that matched. */
  readonly applied: Set<Patch>;
  readonly failures: Failure[];
}

/** An empty log. */
export const patchLog = (): PatchLog => ({ applied: new Set(), failures: [] });

/** Records that a patch matched and could not be applied. */
export function fail(log: PatchLog, { filter, path }: Patch, message: string): void {
  log.failures.push({ filter, path: `${path}.patch.value`, message });
}

/** A name is what others know a resource by, and a merge would give one name to all that it matches: that fails. */
export function failRenamed(log: PatchLog, patch: Patch, before: string | undefined, after: string | undefined): void {
  if (after !== before) fail(log, patch, `${before} keeps its name: a merge cannot make it ${after}`);
}

/** A message after its patches: undefined where it was removed, the very message where none applied. */
export interface Outcome<M> {
  readonly message: M | undefined;
  /** The EnvoyFilters that shaped it. */
  readonly filters: readonly ObjectKey[];
  readonly failures: readonly Failure[];
}

/** Applies those patches that it is told to keep. */
type Apply<M> = (keep: (patch: Patch) => boolean, log: PatchLog) => M | undefined;

/**
 * Applies patches to a message and checks what comes of it. A fault that the message did not have before is blamed on the first
 * EnvoyFilter with which it shows.
 */
export function outcome<M>(original: M, apply: Apply<M>, faultOf: (message: M) => string | undefined): Outcome<M> {
  const log = patchLog();
  const message = apply(() => true, log);
  const filters = [...new Set([...log.applied].map(patch => patch.filter))];
  const failures = log.failures;
  const fault = message === undefined || message === original || failures.length ? undefined : faultOf(message);
  if (fault === undefined || faultOf(original) !== undefined) return Object.freeze({ message, filters, failures });
  for (let count = 1; count <= filters.length; count++) {
    const some = new Set(filters.slice(0, count));
    const part = patchLog();
    const tried = apply(patch => some.has(patch.filter), part);
    const found = tried === undefined ? undefined : faultOf(tried);
    const filter = filters[count - 1];
    if (found === undefined || filter === undefined) continue;
    const own = [...part.applied].filter(patch => patch.filter === filter);
    const path = own.length === 1 ? `${own[0]?.path}.patch` : 'spec.configPatches';
    return Object.freeze({ message: original, filters: [], failures: [{ filter, path, message: found }] });
  }
  throw new Error(`a fault that no EnvoyFilter brought: ${fault}`);
}

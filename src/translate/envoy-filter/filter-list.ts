import { EnvoyFilter_Patch_Operation as Operation } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { PatchLog } from './outcome.ts';
import type { Patch } from './patch.ts';
import { mergedFilter, type TypedConfig } from './typed-config.ts';

/** What patches of elements of a list are about. */
export interface ElementMatch<M> {
  /** Whether a patch names elements at all. */
  readonly chooses: (patch: Patch) => boolean;
  readonly matches: (element: M, patch: Patch) => boolean;
}

/**
 * The list after a patch that adds, replaces or removes an element. Where the patch names none, inserting after is adding at the end,
 * inserting before at the beginning, and nothing is replaced or removed.
 */
export function edited<M>(list: readonly M[], patch: Patch<M>, about: ElementMatch<M>): readonly M[] {
  const { operation, value } = patch;
  const chooses = about.chooses(patch);
  const matches = (element: M): boolean => about.matches(element, patch);
  const insertAt = (index: number): readonly M[] => [...list.slice(0, index), value, ...list.slice(index)];
  switch (operation) {
    case Operation.ADD:
      return [...list, value];
    case Operation.INSERT_FIRST:
      return [value, ...list];
    case Operation.INSERT_AFTER: {
      if (!chooses) return [...list, value];
      const index = list.findIndex(matches);
      return index < 0 ? list : insertAt(index + 1);
    }
    case Operation.INSERT_BEFORE: {
      if (!chooses) return [value, ...list];
      const index = list.findIndex(matches);
      return index < 0 ? list : insertAt(index);
    }
    case Operation.REPLACE: {
      const index = chooses ? list.findIndex(matches) : -1;
      return index < 0 ? list : list.with(index, value);
    }
    case Operation.REMOVE:
      return chooses && list.some(matches) ? list.filter(element => !matches(element)) : list;
    default:
      return list;
  }
}

/** The list after the patches that add, replace or remove filters. */
export function editedFilters<F>(
  filters: readonly F[],
  patches: readonly Patch<F>[],
  about: ElementMatch<F>,
  log: PatchLog,
): readonly F[] {
  return patches.reduce((list, patch) => {
    const next = edited(list, patch, about);
    if (next !== list) log.applied.add(patch);
    return next;
  }, filters);
}

/** A filter after the patches that merge into it. */
export const withMerges = <F extends TypedConfig>(
  original: F,
  patches: readonly Patch<F>[],
  { matches }: ElementMatch<F>,
  log: PatchLog,
): F =>
  patches.reduce(
    (filter, patch) =>
      patch.operation === Operation.MERGE && matches(filter, patch) ? mergedFilter(filter, patch, log) : filter,
    original,
  );

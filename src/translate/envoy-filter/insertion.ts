import { EnvoyFilter_Patch_Operation as Operation } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { Patch } from './patch.ts';

/**
 * The list after a patch that adds, replaces or removes an element. `chooses` says whether the patch matches elements at all: where it
 * does not, inserting after is adding at the end, inserting before at the beginning, and nothing is replaced or removed.
 */
export function edited<M>(
  list: readonly M[],
  { operation, value }: Patch<M>,
  chooses: boolean,
  matches: (element: M) => boolean,
): readonly M[] {
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

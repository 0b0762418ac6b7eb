import type { Any } from '../../proto/generated/google/protobuf.ts';
import { mergeAny } from './merge.ts';
import { fail, type PatchLog } from './outcome.ts';
import type { Patch } from './patch.ts';

/** What filters of listeners, connections and requests have in common. */
export interface FilterConfig {
  readonly name?: string | undefined;
  readonly typed_config?: Any | undefined;
}

/** The name and configuration of a filter after a patch has been merged into it: its configuration is merged as the message that it is. */
export function mergedConfig(
  { name = '', typed_config: config }: FilterConfig,
  patch: Patch<FilterConfig>,
  log: PatchLog,
): { readonly name: string; readonly typed_config: Any } | undefined {
  // A filter whose configuration comes over ECDS has none to merge into.
  if (!config) return undefined;
  log.applied.add(patch);
  const renamed = patch.value.name || name;
  const added = patch.value.typed_config;
  if (!added) return { name: renamed, typed_config: config };
  const merged = mergeAny(config, added);
  if (typeof merged !== 'string') return { name: renamed, typed_config: merged };
  fail(log, patch, `${merged}: name the filter to merge into in the match`);
  return undefined;
}

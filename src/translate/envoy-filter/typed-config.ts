import type { Any } from '../../proto/generated/google/protobuf.ts';
import { mergeAny } from './merge.ts';
import { fail, type PatchLog } from './outcome.ts';
import type { Patch } from './patch.ts';

/** What filters of listeners, connections and requests have in common, and transport sockets. */
export interface TypedConfig {
  readonly name?: string | undefined;
  readonly typed_config?: Any | undefined;
}

/** A filter after a patch has been merged into it: its configuration is merged as the message that it is. */
export function mergedFilter<F extends TypedConfig>(filter: F, patch: Patch<TypedConfig>, log: PatchLog): F {
  const { name = '', typed_config: config } = filter;
  // A filter whose configuration comes over ECDS has none to merge into.
  if (!config) return filter;
  log.applied.add(patch);
  const added = patch.value.typed_config;
  const merged = added ? mergeAny(config, added) : config;
  if (typeof merged !== 'string') return { ...filter, name: patch.value.name || name, typed_config: merged };
  fail(log, patch, `${merged}: name the filter to merge into in the match`);
  return filter;
}

/** A transport socket with the configuration of another one merged into it; the very socket where that cannot be. */
export function mergedSocket<S extends TypedConfig>(socket: S, added: S, patch: Patch, log: PatchLog): S {
  if (!socket.typed_config || !added.typed_config) return socket;
  const merged = mergeAny(socket.typed_config, added.typed_config);
  if (typeof merged !== 'string') return { ...socket, typed_config: merged };
  fail(log, patch, merged);
  return socket;
}

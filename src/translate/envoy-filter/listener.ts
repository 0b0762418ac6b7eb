import { keptList, sameItems } from '../../lists.ts';
import { memo } from '../../memo.ts';
import type { FilterChain, Listener, ListenerFilter } from '../../proto/generated/envoy/config/listener/v3.ts';
import { EnvoyFilter_Patch_Operation as Operation } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { type ElementMatch, editedFilters, withMerges } from './filter-list.ts';
import { listenerFaults } from './listener-faults.ts';
import {
  choosesListenerFilter,
  matchesChain,
  matchesListener,
  matchesListenerFilter,
  matchesWithin,
} from './listener-match.ts';
import { merge } from './merge.ts';
import { connectionManager, connectionManagerFilter, patchNetworkFilters } from './network-filter.ts';
import { keptName, mergedOrRemoved, type Outcome, outcome, type PatchLog, untouched } from './outcome.ts';
import { type Patch, type Patches, replacesLists } from './patch.ts';
import { isForRoutes, onlyRoutes, patchedRoutes, type RoutePatches } from './route-configuration.ts';
import { mergedSocket } from './typed-config.ts';

/** The patches that listeners of one direction are under. */
export interface ListenerPatches
  extends Pick<Patches, 'listeners' | 'listenerFilters' | 'filterChains' | 'networkFilters' | 'httpFilters'> {
  /** For route configurations inside of connection managers: inbound listeners have theirs there. */
  readonly inlineRoutes: RoutePatches | undefined;
}

const listenerFilter: ElementMatch<ListenerFilter> = {
  chooses: choosesListenerFilter,
  matches: matchesListenerFilter,
};

/** Patch by patch, as they stand: a filter that is added later is not merged into. */
const patchListenerFilters = (
  filters: readonly ListenerFilter[],
  listener: Listener,
  patches: readonly Patch<ListenerFilter>[],
  log: PatchLog,
): readonly ListenerFilter[] =>
  patches
    .filter(patch => matchesWithin(listener, patch))
    .reduce((list, patch) => {
      const edited = editedFilters(list, [patch], listenerFilter, log);
      return keptList(
        edited,
        edited.map(filter => withMerges(filter, [patch], listenerFilter, log)),
      );
    }, filters);

/** A chain with a patch merged into it: the configuration of a transport socket of the same name as such, and then nothing else (istio: mergeTransportSocketListener). */
function mergedChain(chain: FilterChain, patch: Patch<FilterChain>, log: PatchLog): FilterChain {
  const own = chain.transport_socket;
  const added = patch.value.transport_socket;
  if (!own || !added || own.name !== added.name)
    return merge('envoy.config.listener.v3.FilterChain', chain, patch.value, replacesLists(patch));
  const transport_socket = mergedSocket(own, added, patch, log);
  return transport_socket === own ? chain : { ...chain, transport_socket };
}

/** Undefined: the chain is removed. Chains without filters are none to istiod. */
function patchChain(
  original: FilterChain,
  listener: Listener,
  patches: ListenerPatches,
  log: PatchLog,
): FilterChain | undefined {
  const chain = mergedOrRemoved(
    original,
    patches.filterChains,
    (made, patch) => matchesWithin(listener, patch) && matchesChain(listener, made, patch),
    (made, patch) => mergedChain(made, patch, log),
    log.applied,
  );
  if (!chain) return undefined;
  const before = chain.filters ?? [];
  const filters = patchNetworkFilters(before, listener, chain, patches, log);
  return filters === before ? chain : { ...chain, filters };
}

const hasFilters = ({ filters = [] }: FilterChain): boolean => filters.length > 0;

function patchChains(listener: Listener, patches: ListenerPatches, log: PatchLog): Listener {
  const before = listener.filter_chains ?? [];
  const chains = before.flatMap(chain => (hasFilters(chain) ? (patchChain(chain, listener, patches, log) ?? []) : []));
  const fallback = listener.default_filter_chain;
  const last = fallback && hasFilters(fallback) ? patchChain(fallback, listener, patches, log) : fallback;
  for (const patch of patches.filterChains) {
    if (patch.operation !== Operation.ADD || !matchesWithin(listener, patch)) continue;
    log.applied.add(patch);
    if (hasFilters(patch.value)) chains.push(patch.value);
  }
  return sameItems(chains, before) && last === fallback
    ? listener
    : { ...listener, filter_chains: chains, default_filter_chain: last };
}

/** Route configurations inside of connection managers are patched before the listener is (istio: buildSidecarInboundHTTPRouteConfig). */
function patchInlineRoutes(listener: Listener, patches: RoutePatches, log: PatchLog): Listener {
  let changed = false;
  const patchOne = (chain: FilterChain): FilterChain => {
    const filters = chain.filters?.map(filter => {
      const manager = connectionManager(filter);
      const routes = manager?.route_config;
      if (!routes || !isForRoutes(routes, patches, [])) return filter;
      const route_config = patchedRoutes(routes, patches, [], log);
      if (route_config === routes) return filter;
      changed = true;
      return connectionManagerFilter({ ...manager, route_config });
    });
    return { ...chain, filters };
  };
  const fallback = listener.default_filter_chain;
  const result = {
    ...listener,
    filter_chains: listener.filter_chains?.map(patchOne),
    default_filter_chain: fallback && patchOne(fallback),
  };
  return changed ? result : listener;
}

function patched(original: Listener, patches: ListenerPatches, log: PatchLog): Listener | undefined {
  const given = patches.inlineRoutes ? patchInlineRoutes(original, patches.inlineRoutes, log) : original;
  const merged = mergedOrRemoved(
    given,
    patches.listeners,
    matchesListener,
    (made, patch) =>
      keptName(log, patch, made, merge('envoy.config.listener.v3.Listener', made, patch.value, replacesLists(patch))),
    log.applied,
  );
  if (!merged) return undefined;
  const before = merged.listener_filters ?? [];
  const listener_filters = patchListenerFilters(before, merged, patches.listenerFilters, log);
  return patchChains(listener_filters === before ? merged : { ...merged, listener_filters }, patches, log);
}

const only = (patches: ListenerPatches, keep: (patch: Patch) => boolean): ListenerPatches => ({
  listeners: patches.listeners.filter(keep),
  listenerFilters: patches.listenerFilters.filter(keep),
  filterChains: patches.filterChains.filter(keep),
  networkFilters: patches.networkFilters.filter(keep),
  httpFilters: patches.httpFilters.filter(keep),
  inlineRoutes: patches.inlineRoutes && onlyRoutes(patches.inlineRoutes, keep),
});

const patchMatched = memo(
  (listener: Listener, patches: ListenerPatches): Outcome<Listener> =>
    outcome(
      listener,
      (keep, log) => {
        const result = patched(listener, only(patches, keep), log);
        // What no patch touched stays the very message, which may be encoded already.
        return log.applied.size ? result && Object.freeze(result) : listener;
      },
      listenerFaults,
    ),
);

/** Applies the patches of a context to a listener and all that it holds, or removes it (istio: patchListener). */
export function patchListener(listener: Listener, patches: ListenerPatches): Outcome<Listener> {
  const within = [patches.listenerFilters, patches.filterChains, patches.networkFilters, patches.httpFilters];
  const concerned =
    patches.inlineRoutes !== undefined ||
    patches.listeners.some(patch => matchesListener(listener, patch)) ||
    within.some(list => list.some(patch => matchesWithin(listener, patch)));
  return concerned ? patchMatched(listener, patches) : untouched(listener);
}

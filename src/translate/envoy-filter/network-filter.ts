import { memo } from '../../memo.ts';
import { typed, typeName, unpackAs } from '../../proto/any.ts';
import type { Filter, FilterChain, Listener } from '../../proto/generated/envoy/config/listener/v3.ts';
import type {
  HttpConnectionManager,
  HttpFilter,
} from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { Any } from '../../proto/generated/google/protobuf.ts';
import { EnvoyFilter_Patch_Operation as Operation } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { HTTP_CONNECTION_MANAGER } from '../filters/well-known.ts';
import { mergedConfig } from './filter-config.ts';
import { edited } from './insertion.ts';
import {
  choosesFilter,
  choosesHttpFilter,
  matchesChain,
  matchesFilter,
  matchesHttpFilter,
  matchesWithin,
} from './listener-match.ts';
import type { PatchLog } from './outcome.ts';
import type { Patch, Patches } from './patch.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

const unpacked = memo((config: Any): HttpConnectionManager => unpackAs(HCM, config));

/** The connection manager inside a filter; undefined where the filter is another one. */
export const connectionManager = ({ name, typed_config: config }: Filter): HttpConnectionManager | undefined =>
  name === HTTP_CONNECTION_MANAGER && config && typeName(config.type_url ?? '') === HCM ? unpacked(config) : undefined;

/** A filter with another connection manager inside. */
export const withConnectionManager = ({ name }: Filter, manager: HttpConnectionManager): Filter => ({
  name,
  typed_config: typed(HCM, manager),
});

function editedHttpFilters(
  filters: readonly HttpFilter[],
  patches: readonly Patch<HttpFilter>[],
  log: PatchLog,
): readonly HttpFilter[] {
  let list = filters;
  for (const patch of patches) {
    const next = edited(list, patch, choosesHttpFilter(patch), ({ name }) => matchesHttpFilter(name, patch));
    if (next !== list) log.applied.add(patch);
    list = next;
  }
  const merging = patches.filter(patch => patch.operation === Operation.MERGE);
  if (!merging.length) return list;
  return list.map(original => {
    let filter = original;
    for (const patch of merging) {
      if (!matchesHttpFilter(filter.name, patch) || !filter.typed_config) continue;
      filter = { ...filter, ...mergedConfig(filter, patch, log) };
    }
    return filter;
  });
}

function withHttpFilters(filter: Filter, patches: readonly Patch<HttpFilter>[], log: PatchLog): Filter {
  const manager = patches.length ? connectionManager(filter) : undefined;
  if (!manager) return filter;
  const before = manager.http_filters ?? [];
  const http_filters = editedHttpFilters(before, patches, log);
  const same = http_filters.length === before.length && http_filters.every((item, i) => item === before[i]);
  return same ? filter : withConnectionManager(filter, { ...manager, http_filters });
}

/** Patches the network filters of a chain, and the HTTP filters inside of its connection manager (istio: patchNetworkFilters). */
export function patchNetworkFilters(
  filters: readonly Filter[],
  listener: Listener,
  chain: FilterChain,
  patches: Pick<Patches, 'networkFilters' | 'httpFilters'>,
  log: PatchLog,
): readonly Filter[] {
  const isFor = (patch: Patch): boolean => matchesWithin(listener, patch) && matchesChain(listener, chain, patch);
  const network = patches.networkFilters.filter(isFor);
  const http = patches.httpFilters.filter(isFor);
  let list = filters;
  for (const patch of network) {
    const next = edited(list, patch, choosesFilter(patch), filter => matchesFilter(filter, patch));
    if (next !== list) log.applied.add(patch);
    list = next;
  }
  const merging = network.filter(patch => patch.operation === Operation.MERGE);
  const result = list.map(original => {
    let filter = original;
    for (const patch of merging) {
      if (!matchesFilter(filter, patch) || !filter.typed_config) continue;
      filter = { ...filter, ...mergedConfig(filter, patch, log) };
    }
    return withHttpFilters(
      filter,
      http.filter(patch => matchesFilter(filter, patch)),
      log,
    );
  });
  return result.length === filters.length && result.every((filter, i) => filter === filters[i]) ? filters : result;
}

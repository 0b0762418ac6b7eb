import { keptList } from '../../lists.ts';
import { memo } from '../../memo.ts';
import { extension, typeName, unpackAs } from '../../proto/any.ts';
import type { Filter, FilterChain, Listener } from '../../proto/generated/envoy/config/listener/v3.ts';
import type {
  HttpConnectionManager,
  HttpFilter,
} from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { Any } from '../../proto/generated/google/protobuf.ts';
import { HTTP_CONNECTION_MANAGER } from '../filters/well-known.ts';
import { type ElementMatch, editedFilters, withMerges } from './filter-list.ts';
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

/** A connection manager as a filter. */
export const connectionManagerFilter = (manager: HttpConnectionManager): Filter =>
  extension(HTTP_CONNECTION_MANAGER, HCM, manager);

const network: ElementMatch<Filter> = { chooses: choosesFilter, matches: matchesFilter };
const http: ElementMatch<HttpFilter> = { chooses: choosesHttpFilter, matches: matchesHttpFilter };

function withHttpFilters(filter: Filter, patches: readonly Patch<HttpFilter>[], log: PatchLog): Filter {
  const manager = patches.length ? connectionManager(filter) : undefined;
  if (!manager) return filter;
  const before = manager.http_filters ?? [];
  const edited = editedFilters(before, patches, http, log).map(each => withMerges(each, patches, http, log));
  const http_filters = keptList(before, edited);
  return http_filters === before ? filter : connectionManagerFilter({ ...manager, http_filters });
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
  const ofNetwork = patches.networkFilters.filter(isFor);
  const ofHttp = patches.httpFilters.filter(isFor);
  const patched = editedFilters(filters, ofNetwork, network, log).map(original => {
    const filter = withMerges(original, ofNetwork, network, log);
    const within = ofHttp.filter(patch => matchesFilter(filter, patch));
    return withHttpFilters(filter, within, log);
  });
  return keptList(filters, patched);
}

import { type EnvoyFilter, writtenPath } from '../../istio/config.ts';
import { patchMessages, readPatchValue } from '../../istio/patch-value.ts';
import { memo, oneList } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import type { Cluster } from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { TypedExtensionConfig } from '../../proto/generated/envoy/config/core/v3.ts';
import type { Filter, FilterChain, Listener, ListenerFilter } from '../../proto/generated/envoy/config/listener/v3.ts';
import type { Route, RouteConfiguration, VirtualHost } from '../../proto/generated/envoy/config/route/v3.ts';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import {
  EnvoyFilter_ApplyTo as ApplyTo,
  EnvoyFilter_PatchContext as Context,
  type EnvoyFilter_EnvoyConfigObjectMatch as Match,
  EnvoyFilter_Patch_Operation as Operation,
} from '../../proto/generated/istio/networking/v1alpha3.ts';

/** One patch of an EnvoyFilter with its value as the message that it is. */
export interface Patch<M = unknown> {
  readonly filter: ObjectKey;
  /** Its place in the EnvoyFilter that is in force. */
  readonly index: number;
  /** Its place in the EnvoyFilter as the user wrote it: `spec.configPatches[0]`. */
  readonly path: string;
  readonly operation: Operation;
  readonly context: Context;
  readonly match: Match;
  /** Empty where the operation needs none. */
  readonly value: M;
}

/** Patches by what they apply to. */
export interface Patches {
  readonly listeners: readonly Patch<Listener>[];
  readonly listenerFilters: readonly Patch<ListenerFilter>[];
  readonly filterChains: readonly Patch<FilterChain>[];
  readonly networkFilters: readonly Patch<Filter>[];
  readonly httpFilters: readonly Patch<HttpFilter>[];
  readonly routeConfigurations: readonly Patch<RouteConfiguration>[];
  readonly virtualHosts: readonly Patch<VirtualHost>[];
  readonly routes: readonly Patch<Route>[];
  readonly clusters: readonly Patch<Cluster>[];
  readonly extensions: readonly Patch<TypedExtensionConfig>[];
}

/** The patches of one EnvoyFilter that are for a proxy. */
export interface FilterPatches extends Patches {
  readonly filter: ObjectKey;
}

/** Where the order of elements means nothing, an insertion is an addition (istio: convertToEnvoyFilterWrapper). */
const ordered: ReadonlySet<ApplyTo> = new Set([
  ApplyTo.HTTP_FILTER,
  ApplyTo.NETWORK_FILTER,
  ApplyTo.HTTP_ROUTE,
  ApplyTo.LISTENER_FILTER,
]);
const insertions: ReadonlySet<Operation> = new Set([
  Operation.INSERT_AFTER,
  Operation.INSERT_BEFORE,
  Operation.INSERT_FIRST,
]);

const NO_MATCH: Match = Object.freeze({});

type Lists = { -readonly [K in keyof Patches]: Patches[K][number][] };

const noLists = (): Lists => ({
  listeners: [],
  listenerFilters: [],
  filterChains: [],
  networkFilters: [],
  httpFilters: [],
  routeConfigurations: [],
  virtualHosts: [],
  routes: [],
  clusters: [],
  extensions: [],
});

type PatchedType = keyof typeof patchMessages;

/** Which list the patches of each class of objects are in. A proxy has read its bootstrap before it connects. */
const listOf = {
  [ApplyTo.LISTENER]: 'listeners',
  [ApplyTo.LISTENER_FILTER]: 'listenerFilters',
  [ApplyTo.FILTER_CHAIN]: 'filterChains',
  [ApplyTo.NETWORK_FILTER]: 'networkFilters',
  [ApplyTo.HTTP_FILTER]: 'httpFilters',
  [ApplyTo.ROUTE_CONFIGURATION]: 'routeConfigurations',
  [ApplyTo.VIRTUAL_HOST]: 'virtualHosts',
  [ApplyTo.HTTP_ROUTE]: 'routes',
  [ApplyTo.CLUSTER]: 'clusters',
  [ApplyTo.EXTENSION_CONFIG]: 'extensions',
  [ApplyTo.BOOTSTRAP]: undefined,
} as const satisfies Readonly<Record<PatchedType, keyof Patches | undefined>>;

/** The patches of an EnvoyFilter by their indexes, with their values read; undefined where there is none to be in force. */
const read = memo((filter: EnvoyFilter): readonly (Patch | undefined)[] =>
  (filter.spec.configPatches ?? []).map(({ applyTo, match, patch }, index) => {
    if (!applyTo || !patch) return undefined;
    const { operation = Operation.INVALID, value } = patch;
    // What is to be removed is known by its match alone.
    const needed = operation !== Operation.REMOVE && value ? value : {};
    const result = readPatchValue(patchMessages[applyTo], needed);
    if (result.problems.some(({ kind }) => kind === 'invalid')) return undefined;
    return Object.freeze({
      filter: filter.meta.key,
      index,
      path: writtenPath(filter, `spec.configPatches[${index}]`),
      operation: insertions.has(operation) && !ordered.has(applyTo) ? Operation.ADD : operation,
      context: match?.context ?? Context.ANY,
      match: match ?? NO_MATCH,
      value: result.value,
    });
  }),
);

/** Those patches of an EnvoyFilter whose indexes are chosen (`0,2`), by what they apply to. */
export const compile = memo((filter: EnvoyFilter, chosen: string): FilterPatches => {
  const lists = noLists();
  const patches = read(filter);
  for (const index of chosen === '' ? [] : chosen.split(',').map(Number)) {
    const applyTo = filter.spec.configPatches?.[index]?.applyTo;
    const list = applyTo && listOf[applyTo];
    const patch = patches[index];
    // The value was read as the message that the list has.
    if (list && patch) (lists[list] as Patch[]).push(patch);
  }
  return Object.freeze({ filter: filter.meta.key, ...lists });
});

/** The patches of a list that are for a context; the same patches give the same list. */
export const inContext = <M>(patches: readonly Patch<M>[], context: Context): readonly Patch<M>[] =>
  oneList(patches.filter(patch => patch.context === context || patch.context === Context.ANY));

/** Those patches of a context that may add: what is for any context is added with the outbound resources or the gateway's (istio: InsertedClusters). */
export const addingIn = <M>(context: Context, patches: readonly Patch<M>[]): readonly Patch<M>[] =>
  context === Context.SIDECAR_INBOUND ? patches.filter(patch => patch.context === context) : patches;

/** Whether a patch merges its value into what it matches. */
export const merges = ({ operation }: Patch): boolean =>
  operation === Operation.MERGE || operation === Operation.MERGE_AND_REPLACE_LIST;

/** Whether lists of the value take the place of the lists that are there. */
export const replacesLists = ({ operation }: Patch): boolean => operation === Operation.MERGE_AND_REPLACE_LIST;

/** A patch that cannot be in force, and why. */
export interface Failure {
  readonly patch: Patch;
  /** The field at fault. */
  readonly path: string;
  readonly message: string;
}

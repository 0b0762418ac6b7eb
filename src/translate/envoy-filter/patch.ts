import type { Problem } from '../../config/problem.ts';
import { memo } from '../../memo.ts';
import type { EnvoyFilter } from '../../model/config.ts';
import type { ObjectKey } from '../../model/object.ts';
import { patchMessages, readPatchValue } from '../../model/patch-value.ts';
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
import type { MessageName, MessageTypes } from '../../proto/message.ts';

/** One patch of an EnvoyFilter with its value as the message that it is. */
export interface Patch<M = unknown> {
  readonly filter: ObjectKey;
  /** `spec.configPatches[0]` */
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

/** What an EnvoyFilter comes to: its patches, or why it is not in force. */
export type Compiled =
  | { readonly ok: true; readonly patches: FilterPatches }
  | { readonly ok: false; readonly problems: readonly Problem[] };

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

/**
 * Reads the patches of an EnvoyFilter whose indexes are chosen (`0,2`). They build on each other, so one that cannot be read takes all of
 * them with it.
 */
export const compile = memo((filter: EnvoyFilter, chosen: string): Compiled => {
  const lists = noLists();
  const problems: Problem[] = [];
  const { key } = filter.meta;
  for (const index of chosen === '' ? [] : chosen.split(',').map(Number)) {
    const { applyTo = ApplyTo.INVALID, match, patch } = filter.spec.configPatches?.[index] ?? {};
    if (!patch) continue;
    const path = `spec.configPatches[${index}]`;
    const { operation = Operation.INVALID, value } = patch;
    const read = <N extends MessageName>(name: N): Patch<MessageTypes[N]> => {
      // What is to be removed is known by its match alone.
      const result = readPatchValue(name, operation === Operation.REMOVE || !value ? {} : value);
      for (const problem of result.problems) {
        const at = problem.path ? `${path}.patch.value.${problem.path}` : `${path}.patch.value`;
        problems.push({ object: key, path: at, message: problem.message, severity: 'error' });
      }
      return {
        filter: key,
        path,
        operation: insertions.has(operation) && !ordered.has(applyTo) ? Operation.ADD : operation,
        context: match?.context ?? Context.ANY,
        match: match ?? NO_MATCH,
        value: result.value,
      };
    };
    switch (applyTo) {
      case ApplyTo.LISTENER:
        lists.listeners.push(read(patchMessages[applyTo]));
        break;
      case ApplyTo.LISTENER_FILTER:
        lists.listenerFilters.push(read(patchMessages[applyTo]));
        break;
      case ApplyTo.FILTER_CHAIN:
        lists.filterChains.push(read(patchMessages[applyTo]));
        break;
      case ApplyTo.NETWORK_FILTER:
        lists.networkFilters.push(read(patchMessages[applyTo]));
        break;
      case ApplyTo.HTTP_FILTER:
        lists.httpFilters.push(read(patchMessages[applyTo]));
        break;
      case ApplyTo.ROUTE_CONFIGURATION:
        lists.routeConfigurations.push(read(patchMessages[applyTo]));
        break;
      case ApplyTo.VIRTUAL_HOST:
        lists.virtualHosts.push(read(patchMessages[applyTo]));
        break;
      case ApplyTo.HTTP_ROUTE:
        lists.routes.push(read(patchMessages[applyTo]));
        break;
      case ApplyTo.CLUSTER:
        lists.clusters.push(read(patchMessages[applyTo]));
        break;
      case ApplyTo.EXTENSION_CONFIG:
        lists.extensions.push(read(patchMessages[applyTo]));
        break;
      // A proxy has read its bootstrap before it connects.
      case ApplyTo.BOOTSTRAP:
      case ApplyTo.INVALID:
        break;
    }
  }
  return problems.length ? { ok: false, problems } : { ok: true, patches: Object.freeze({ filter: key, ...lists }) };
});

const lists = memo((...items: readonly object[]): readonly object[] => Object.freeze(items));

/** One list for the same patches in the same order, so that what is made from it can be kept. */
export const sameList = <T extends object>(items: readonly T[]): readonly T[] =>
  // The list holds the very items that were asked for.
  lists(...items) as readonly T[];

/** The patches of a list that are for a context; the same patches give the same list. */
export const inContext = <M>(patches: readonly Patch<M>[], context: Context): readonly Patch<M>[] =>
  sameList(patches.filter(patch => patch.context === context || patch.context === Context.ANY));

/** Whether a patch merges its value into what it matches. */
export const merges = ({ operation }: Patch): boolean =>
  operation === Operation.MERGE || operation === Operation.MERGE_AND_REPLACE_LIST;

/** Whether lists of the value take the place of the lists that are there. */
export const replacesLists = ({ operation }: Patch): boolean => operation === Operation.MERGE_AND_REPLACE_LIST;

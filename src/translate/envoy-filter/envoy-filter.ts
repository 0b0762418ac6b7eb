/** EnvoyFilters: patches on what has been translated. */

import type { Problem } from '../../config/problem.ts';
import { sameItems } from '../../lists.ts';
import { memo } from '../../memo.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import { type MergedGateway, mergeGateways } from '../../model/routing/merged-gateway.ts';
import type { Scope } from '../../model/scope/scope.ts';
import type { TypedExtensionConfig } from '../../proto/generated/envoy/config/core/v3.ts';
import { EnvoyFilter_Patch_Operation as Operation } from '../../proto/generated/istio/networking/v1alpha3.ts';
import {
  type ClusterResource,
  type ExtensionResource,
  type ListenerResource,
  type RouteResource,
  resource,
} from '../resource.ts';
import { patchClusters } from './clusters.ts';
import { patchListeners } from './listeners.ts';
import { fail, type PatchLog, patchLog, problemOf } from './outcome.ts';
import { compile, type Failure, type Patch } from './patch.ts';
import { type PatchSet, patchSet } from './patch-set.ts';
import { patchRoutes } from './routes.ts';
import { ruleFaults } from './rule-faults.ts';
import { type ChosenPatches, select } from './select.ts';

/** What EnvoyFilters can change. */
export interface Patchable {
  readonly clusters: readonly (readonly ClusterResource[])[];
  readonly listeners: readonly (readonly ListenerResource[])[];
  readonly routes: readonly (readonly RouteResource[])[];
}

/** What a proxy has after its EnvoyFilters: lists that none of them changes are the very lists that were given. */
export interface Patched extends Patchable {
  readonly extensions: readonly ExtensionResource[];
  readonly problems: readonly Problem[];
}

const NO_EXTENSIONS: readonly ExtensionResource[] = Object.freeze([]);

/** What is served over ECDS: only what EnvoyFilters add (istio: InsertedExtensionConfigurations). Of two with one name, the first. */
const extensionList = memo((patches: readonly Patch<TypedExtensionConfig>[]): readonly ExtensionResource[] => {
  const byName = new Map<string, ExtensionResource>();
  for (const { operation, value, filter } of patches) {
    const name = value.name ?? '';
    if (operation !== Operation.ADD || name === '' || byName.has(name)) continue;
    byName.set(name, resource('envoy.config.core.v3.TypedExtensionConfig', name, value, [filter]));
  }
  return byName.size ? [...byName.values()] : NO_EXTENSIONS;
});

const refusedExtensions = memo((patches: readonly Patch<TypedExtensionConfig>[]): PatchLog => {
  const log = patchLog();
  for (const patch of patches) {
    const [fault] = ruleFaults('envoy.config.core.v3.TypedExtensionConfig', patch.value);
    if (fault) fail(log, patch, fault);
  }
  return log;
});

interface Attempt extends Patchable {
  readonly failures: readonly Failure[];
}

function attempt(made: Patchable, set: PatchSet, workload: Workload, gateways: MergedGateway | undefined): Attempt {
  const { contexts } = set;
  const { sidecar, targets } = workload;
  const [first] = contexts;
  const name = sidecar ? `${sidecar.meta.name}.${sidecar.meta.namespace}` : '';
  const clusters = contexts.some(c => c.clusters.length)
    ? patchClusters(made.clusters, contexts, targets, name)
    : undefined;
  const listeners = patchListeners(made.listeners, contexts);
  const routes = first ? made.routes.map(list => patchRoutes(list, first.routes, gateways)) : [];
  return {
    clusters: clusters?.parts ?? made.clusters,
    listeners: listeners.parts,
    routes: first ? routes.map(({ resources }) => resources) : made.routes,
    failures: [clusters, listeners, ...routes, refusedExtensions(set.extensions)].flatMap(list => list?.failures ?? []),
  };
}

/** How often what is left after failures is tried again patch by patch; from then on EnvoyFilters go as a whole. */
const MOST_ATTEMPTS = 32;

/** What is left of patches without those that failed, in the EnvoyFilters that failed without any where `whole`. */
function without(
  chosen: readonly ChosenPatches[],
  failures: readonly Failure[],
  whole: boolean,
): readonly ChosenPatches[] {
  const failed = Map.groupBy(failures, ({ patch }) => patch.filter);
  return chosen.flatMap(part => {
    const own = failed.get(part.filter.meta.key);
    if (!own) return [part];
    const indexes = new Set(own.map(({ patch }) => patch.index));
    const left = whole ? [] : part.indexes.filter(index => !indexes.has(index));
    return left.length ? [{ filter: part.filter, indexes: left }] : [];
  });
}

/**
 * Applies the EnvoyFilters that select a workload, in their order. A patch that cannot be applied, or that makes something that Envoy would
 * reject, is left out with a problem; all others are in force. Undefined where there are none.
 */
export function applyEnvoyFilters(
  made: Patchable,
  scope: Scope,
  workload: Workload,
  traits: Traits,
): Patched | undefined {
  const { envoyFilters } = workload.policies;
  if (!envoyFilters.length) return undefined;
  const selection = select(envoyFilters, traits);
  const gateways = traits.type === 'router' ? mergeGateways(scope.gateways, workload.targets) : undefined;
  const problems = [...selection.problems];
  let chosen = selection.patches;
  for (let attempts = 1; ; attempts++) {
    const set = patchSet(traits.type, ...chosen.map(({ filter, indexes }) => compile(filter, indexes.join())));
    const { failures, ...patched } = attempt(made, set, workload, gateways);
    if (!failures.length) return { ...patched, extensions: extensionList(set.extensions), problems };
    // One failure says enough of a patch that fails for many resources.
    const first = new Map(failures.toReversed().map(failure => [failure.patch, failure]));
    problems.push(...[...first.values()].toReversed().map(problemOf));
    const left = without(chosen, failures, attempts >= MOST_ATTEMPTS);
    if (sameItems(left, chosen)) throw new Error('a failure of a patch that is not in force');
    chosen = left;
  }
}

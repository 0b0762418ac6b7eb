import { keptList } from '../../lists.ts';
import { memo, oneList } from '../../memo.ts';
import type { ObjectKey } from '../../object-key.ts';
import { findAllFaults } from '../../proto/faults.ts';
import { EnvoyFilter_Patch_Operation as Operation } from '../../proto/generated/istio/networking/v1alpha3.ts';
import type { AnyMessage } from '../../proto/message.ts';
import type { Resource, ResourceName } from '../resource.ts';
import { type FaultsOf, fail, type Outcome, type PatchLog, patchLog } from './outcome.ts';
import type { Failure, Patch } from './patch.ts';

/** What a proxy has of a type after its patches. */
export interface PatchedList<M> {
  readonly resources: readonly Resource<M>[];
  readonly failures: readonly Failure[];
}

/** The same, in the parts that proxies share. */
export interface PatchedParts<M> {
  readonly parts: readonly (readonly Resource<M>[])[];
  readonly failures: readonly Failure[];
}

/** A resource after its patches; undefined where it was removed. */
export interface PatchedResource<M> {
  readonly resource: Resource<M> | undefined;
  readonly failures: readonly Failure[];
}

interface Named {
  readonly name?: string | undefined;
}

const remade = memo(
  (
    type: ResourceName,
    sources: readonly ObjectKey[],
    message: Named,
    ...filters: readonly ObjectKey[]
  ): Resource<Named> => {
    // What is wrong for some versions of Envoy only; what is for all was a failure of the patch.
    const faults = findAllFaults(type, message as AnyMessage);
    return Object.freeze({
      name: message.name ?? '',
      message,
      sources: [...new Set([...sources, ...filters])],
      faults,
    });
  },
);

/** The resource of what a message came to; the very resource where no patch applied. */
export function patchedResource<M extends Named>(
  type: ResourceName,
  resource: Resource<M>,
  { message, filters, failures }: Outcome<M>,
): PatchedResource<M> {
  if (message === resource.message) return { resource, failures };
  // The resource that is remembered holds this very message.
  const made = message && (remade(type, resource.sources, message, ...filters) as Resource<M>);
  return { resource: made, failures };
}

/** How many failures are found in a list before the rest of it is tried without those patches. */
const MOST_FAILING = 2;

/** A list after its patches: the very list where none applied. Those after too many that fail stay as they are. */
export function patchedList<M extends Named>(
  list: readonly Resource<M>[],
  patched: (resource: Resource<M>) => PatchedResource<M>,
): PatchedList<M> {
  const failures: Failure[] = [];
  const resources = list.flatMap(resource => {
    if (failures.length >= MOST_FAILING) return resource;
    const made = patched(resource);
    failures.push(...made.failures);
    return made.resource ?? [];
  });
  return Object.freeze({ resources: keptList(list, resources), failures });
}

const NO_SOURCES: readonly ObjectKey[] = Object.freeze([]);

/** Lists as they came out, and what patches add as one more: of two resources with one name the first stays, as in istiod. */
export function withAdditions<M extends Named>(
  type: ResourceName,
  lists: readonly PatchedList<M>[],
  patches: readonly Patch<M>[],
  faultsOf: FaultsOf<M>,
): PatchedParts<M> {
  const log: PatchLog = patchLog();
  log.failures.push(...lists.flatMap(list => list.failures));
  const parts = lists.map(list => list.resources);
  const adding = patches.filter(patch => patch.operation === Operation.ADD);
  if (!adding.length) return { parts, failures: log.failures };
  const names = new Set(parts.flatMap(part => part.map(resource => resource.name)));
  const added: Resource<M>[] = [];
  for (const patch of adding) {
    const [fault] = faultsOf(patch.value);
    if (fault) {
      fail(log, patch, fault);
      continue;
    }
    const name = patch.value.name ?? '';
    if (names.has(name)) continue;
    names.add(name);
    added.push(remade(type, NO_SOURCES, patch.value, patch.filter) as Resource<M>);
  }
  return { parts: added.length ? [...parts, oneList(added)] : parts, failures: log.failures };
}

import { keepList, memo } from '../../memo.ts';
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

/** How many resources with failing patches are looked at before the others are tried without those patches. */
const MOST_FAILING = 2;

/** Each resource after its patches, and those after too many that fail as they are. */
export function patchedResources<M extends Named>(
  list: readonly Resource<M>[],
  patched: (resource: Resource<M>) => PatchedResource<M>,
): readonly PatchedResource<M>[] {
  let failing = 0;
  return list.map(resource => {
    if (failing >= MOST_FAILING) return { resource, failures: [] };
    const made = patched(resource);
    if (made.failures.length) failing++;
    return made;
  });
}

const NO_SOURCES: readonly ObjectKey[] = Object.freeze([]);

/** Adds to `list`, as it came out, what patches add: of two resources with one name the first stays, as in istiod. */
export function withAdditions<M extends Named>(
  type: ResourceName,
  list: readonly Resource<M>[],
  outcomes: readonly PatchedResource<M>[],
  patches: readonly Patch<M>[],
  faultsOf: FaultsOf<M>,
): PatchedList<M> {
  const log: PatchLog = patchLog();
  log.failures.push(...outcomes.flatMap(o => o.failures));
  const resources = outcomes.flatMap(({ resource }) => resource ?? []);
  const adding = patches.filter(patch => patch.operation === Operation.ADD);
  const names = new Set(adding.length ? resources.map(resource => resource.name) : []);
  for (const patch of adding) {
    const [fault] = faultsOf(patch.value);
    if (fault) {
      fail(log, patch, fault);
      continue;
    }
    const name = patch.value.name ?? '';
    if (names.has(name)) continue;
    names.add(name);
    resources.push(remade(type, NO_SOURCES, patch.value, patch.filter) as Resource<M>);
  }
  return Object.freeze({ resources: keepList(list, resources), failures: log.failures });
}

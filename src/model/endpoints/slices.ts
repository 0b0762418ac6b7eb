import type { ConfigContents } from '../../config/store.ts';
import type { KubeEndpointSlice } from '../../istio/kubernetes.ts';
import { compare } from '../../istio/object.ts';
import { memo } from '../../memo.ts';
import { PersistentMap } from '../../persistent-map.ts';
import { changesBetween } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';

type Slices = ConfigContents['EndpointSlice'];

/** Slices by `namespace/name` of the Service they belong to; each list sorted by name. */
export type SliceGroups = PersistentMap<string, readonly KubeEndpointSlice[]>;

const groupOf = ({ meta, service }: KubeEndpointSlice): string => `${meta.namespace}/${service}`;

const byName = (a: KubeEndpointSlice, b: KubeEndpointSlice): number => compare(a.meta.name, b.meta.name);

export interface SliceInputs {
  readonly slices: Slices;
}

/** Groups slices; of the groups before, only those of changed slices are made again. */
export function groupSlices(
  { slices }: SliceInputs,
  previous: Stage<SliceInputs, SliceGroups> | undefined,
): SliceGroups {
  const before = previous?.inputs.slices;
  const groups: SliceGroups = previous?.value ?? PersistentMap.of();
  const changed = before
    ? changesBetween(before, slices)
    : [...slices.values()].map(after => ({ before: undefined, after }));
  const fresh = new Map<string, KubeEndpointSlice[]>();
  const open = (group: string): KubeEndpointSlice[] => {
    const known = fresh.get(group);
    if (known) return known;
    const list = [...(groups.get(group) ?? [])];
    fresh.set(group, list);
    return list;
  };
  for (const { before, after } of changed) {
    if (before) {
      const list = open(groupOf(before));
      list.splice(list.indexOf(before), 1);
    }
    if (after?.service) open(groupOf(after)).push(after);
  }
  return groups.with([...fresh].map(([group, list]) => [group, list.length ? list.sort(byName) : undefined]));
}

/** What a slice refers to: pods by `namespace/name`, and addresses that are no pod by name (as `namespace/address`). */
export const referencesOf: (slice: KubeEndpointSlice) => ReadonlySet<string> = memo(slice => {
  const found = new Set<string>();
  for (const endpoint of slice.endpoints) {
    if (endpoint.pod) found.add(endpoint.pod);
    else for (const address of endpoint.addresses) found.add(`${slice.meta.namespace}/${address}`);
  }
  return found;
});

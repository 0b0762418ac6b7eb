import type { ConfigContents } from '../config/store.ts';
import { memo } from '../memo.ts';
import { changesBetween, type Since, type Stage } from './derive.ts';
import type { KubeEndpointSlice } from './kubernetes.ts';
import { compare } from './object.ts';

type Slices = ConfigContents['EndpointSlice'];

/** Slices by the Service they belong to. */
export interface SliceGroups {
  /** By `namespace/name` of the Service; each list sorted by name. */
  readonly lists: ReadonlyMap<string, readonly KubeEndpointSlice[]>;
  readonly since: Since<readonly KubeEndpointSlice[]> | undefined;
}

const groupOf = ({ meta, service }: KubeEndpointSlice): string => `${meta.namespace}/${service}`;

const byName = (a: KubeEndpointSlice, b: KubeEndpointSlice): number => compare(a.meta.name, b.meta.name);

/** Groups slices; of the groups before, only those of changed slices are made again. */
export function groupSlices(
  [slices]: readonly [Slices],
  previous: Stage<readonly [Slices], SliceGroups> | undefined,
): SliceGroups {
  const before = previous?.inputs[0];
  const groups = new Map<string, readonly KubeEndpointSlice[]>(previous?.value.lists);
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
  for (const [group, list] of fresh) {
    if (list.length) groups.set(group, list.sort(byName));
    else groups.delete(group);
  }
  const since = previous && { map: previous.value.lists, keys: new Set(fresh.keys()) };
  return { lists: groups, since };
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

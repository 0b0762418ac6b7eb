import { keepList, memo } from '../memo.ts';
import { differingKeys, type Since, type Stage } from './derive.ts';
import type { EndpointIndex, ServiceEndpoints } from './endpoint.ts';
import { compare } from './object.ts';

/** Endpoints of a host that both a Service and a ServiceEntry of one namespace have: the Service's first. */
const merged = memo(
  (a: ServiceEndpoints, b: ServiceEndpoints): ServiceEndpoints =>
    Object.freeze({ ...a, endpoints: Object.freeze([...a.endpoints, ...b.endpoints]) }),
);

const mergedIds = memo((a: readonly string[], b: readonly string[]) => [...new Set([...a, ...b])].sort(compare));

/** Two maps as one; values that both have are merged. */
function join<V>(
  a: ReadonlyMap<string, V>,
  b: ReadonlyMap<string, V>,
  merge: (x: V, y: V) => V,
): ReadonlyMap<string, V> {
  if (!b.size) return a;
  const all = new Map(a);
  for (const [key, value] of b) {
    const known = all.get(key);
    all.set(key, known ? merge(known, value) : value);
  }
  return all;
}

/** Endpoints of Kubernetes Services and of ServiceEntries as one index. */
export const joinEndpoints: (kube: EndpointIndex, external: EndpointIndex) => EndpointIndex = memo((kube, external) =>
  join(kube, external, merged),
);

/** SPIFFE ids of each Service's endpoints by `endpointsKey`, sorted; Services without any are absent. */
export type Identities = ReadonlyMap<string, readonly string[]>;

const identitiesOf: (endpoints: ServiceEndpoints) => readonly string[] = memo(({ endpoints }) => {
  const found = new Set<string>();
  for (const { identity } of endpoints) if (identity) found.add(identity);
  return [...found].sort(compare);
});

/** What identities are made from: endpoints, and what is known of how they came from those before. */
export type IdentityInputs = readonly [endpoints: EndpointIndex, since: Since<ServiceEndpoints> | undefined];

/** The identities of all Services; a list, and the map, keep their identity while their content does. */
export function buildIdentities(
  [endpoints, since]: IdentityInputs,
  previous: Stage<IdentityInputs, Identities> | undefined,
): Identities {
  const last = previous?.value;
  const changed = new Map<string, readonly string[]>();
  const keys = previous ? differingKeys(previous.inputs[0], endpoints, since) : endpoints.keys();
  for (const key of keys) {
    const value = endpoints.get(key);
    const known = last?.get(key) ?? [];
    const ids = keepList(known, value ? identitiesOf(value) : []);
    if (ids !== known) changed.set(key, ids);
  }
  if (last && !changed.size) return last;
  const found = new Map(last);
  for (const [key, ids] of changed) {
    if (ids.length) found.set(key, ids);
    else found.delete(key);
  }
  return found;
}

/** Identities of Kubernetes Services and of ServiceEntries as one map. */
export const joinIdentities: (kube: Identities, external: Identities) => Identities = memo((kube, external) =>
  join(kube, external, (a, b) => keepList(a, mergedIds(a, b))),
);

import { compare } from '../../istio/object.ts';
import { memo, oneList } from '../../memo.ts';
import { PersistentMap } from '../../persistent-map.ts';
import { differingKeys } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';
import type { EndpointIndex, ServiceEndpoints } from './endpoint.ts';

/** Endpoints of a host that both a Service and a ServiceEntry of one namespace have: the Service's first. */
const merged = memo(
  (a: ServiceEndpoints, b: ServiceEndpoints): ServiceEndpoints =>
    Object.freeze({ ...a, endpoints: Object.freeze([...a.endpoints, ...b.endpoints]) }),
);

const mergedIds = memo((a: readonly string[], b: readonly string[]) =>
  oneList([...new Set([...a, ...b])].sort(compare)),
);

/** Two maps as one; values that both have are merged. */
function join<V>(
  a: PersistentMap<string, V>,
  b: PersistentMap<string, V>,
  merge: (x: V, y: V) => V,
): PersistentMap<string, V> {
  const merged: [string, V][] = [];
  for (const [key, value] of b) {
    const known = a.get(key);
    merged.push([key, known ? merge(known, value) : value]);
  }
  return a.with(merged);
}

type Endpoints = PersistentMap<string, ServiceEndpoints>;

/** Endpoints of Kubernetes Services and of ServiceEntries as one index. */
export const joinEndpoints: (kube: Endpoints, external: Endpoints) => EndpointIndex = memo((kube, external) =>
  join(kube, external, merged),
);

/** SPIFFE ids of each Service's endpoints by `endpointsKey`, sorted; Services without any are absent. */
export type Identities = PersistentMap<string, readonly string[]>;

const identitiesOf: (endpoints: ServiceEndpoints) => readonly string[] = memo(({ endpoints }) => {
  const found = new Set<string>();
  for (const { identity } of endpoints) if (identity) found.add(identity);
  return oneList([...found].sort(compare));
});

/** What identities are made from. */
export interface IdentityInputs {
  readonly endpoints: Endpoints;
}

/** The identities of all Services; a list, and the map, keep their identity while their content does. */
export function buildIdentities(
  { endpoints }: IdentityInputs,
  previous: Stage<IdentityInputs, Identities> | undefined,
): Identities {
  const last: Identities = previous?.value ?? PersistentMap.of();
  const keys = previous ? differingKeys(previous.inputs.endpoints, endpoints) : endpoints.keys();
  const changed: [string, readonly string[] | undefined][] = [];
  for (const key of keys) {
    const value = endpoints.get(key);
    const ids = value ? identitiesOf(value) : [];
    changed.push([key, ids.length ? ids : undefined]);
  }
  return last.with(changed);
}

/** Identities of Kubernetes Services and of ServiceEntries as one map. */
export const joinIdentities: (kube: Identities, external: Identities) => Identities = memo((kube, external) =>
  join(kube, external, mergedIds),
);

import { keepList, keepMap, memo } from '../memo.ts';
import type { Stage } from './derive.ts';
import type { EndpointIndex, ServiceEndpoints } from './endpoint.ts';
import { compare } from './object.ts';

/** Endpoints of a host that both a Service and a ServiceEntry of one namespace have: the Service's first. */
const merged = memo(
  (a: ServiceEndpoints, b: ServiceEndpoints): ServiceEndpoints =>
    Object.freeze({ ...a, endpoints: Object.freeze([...a.endpoints, ...b.endpoints]) }),
);

/** Endpoints of Kubernetes Services and of ServiceEntries as one index. */
export const joinEndpoints: (kube: EndpointIndex, external: EndpointIndex) => EndpointIndex = memo((kube, external) => {
  if (!external.size) return kube;
  const all = new Map(kube);
  for (const [key, endpoints] of external) {
    const known = all.get(key);
    all.set(key, known ? merged(known, endpoints) : endpoints);
  }
  return all;
});

/** SPIFFE ids of each Service's endpoints by `endpointsKey`, sorted; Services without any are absent. */
export type Identities = ReadonlyMap<string, readonly string[]>;

const identitiesOf: (endpoints: ServiceEndpoints) => readonly string[] = memo(({ endpoints }) => {
  const found = new Set<string>();
  for (const { identity } of endpoints) if (identity) found.add(identity);
  return [...found].sort(compare);
});

/** The identities of all Services; a list, and the map, keep their identity while their content does. */
export function buildIdentities(
  [endpoints]: readonly [EndpointIndex],
  previous: Stage<readonly [EndpointIndex], Identities> | undefined,
): Identities {
  const before = previous?.inputs[0];
  const last = previous?.value;
  const found = new Map<string, readonly string[]>();
  for (const [key, value] of endpoints) {
    const known = last?.get(key);
    const ids = known && before?.get(key) === value ? known : keepList(known, identitiesOf(value));
    if (ids.length) found.set(key, ids);
  }
  return keepMap(last, found);
}

import { isDeepStrictEqual } from 'node:util';
import { sameItems } from '../../lists.ts';
import type { Endpoint, ServiceEndpoints } from './endpoint.ts';

const sameEndpoint = (a: Endpoint, b: Endpoint): boolean => {
  for (const name of Object.keys(b) as (keyof Endpoint)[]) {
    if (a[name] !== b[name] && !(name === 'labels' && isDeepStrictEqual(a.labels, b.labels))) return false;
  }
  return true;
};

/** `next` with every endpoint that equals one of `before` replaced by that one; `before` itself where nothing differs. */
export function keepEndpoints(before: ServiceEndpoints | undefined, next: ServiceEndpoints): ServiceEndpoints {
  if (!before) return Object.freeze(next);
  let known: Map<string, Endpoint> | undefined;
  const keyOf = (e: Endpoint): string => `${e.address}/${e.portName}`;
  const endpoints = next.endpoints.map((endpoint, i) => {
    const atSamePlace = before.endpoints[i];
    if (atSamePlace && sameEndpoint(atSamePlace, endpoint)) return atSamePlace;
    known ??= new Map(before.endpoints.map(e => [keyOf(e), e]));
    const last = known.get(keyOf(endpoint));
    return last && sameEndpoint(last, endpoint) ? last : endpoint;
  });
  return sameItems(endpoints, before.endpoints)
    ? before
    : Object.freeze({ ...next, endpoints: Object.freeze(endpoints) });
}

import { memo } from '../../memo.ts';
import type { PersistentMap } from '../../persistent-map.ts';
import { differingKeys } from '../incremental/derive.ts';
import type { Stage } from '../incremental/stages.ts';
import type { Service } from '../services/service.ts';
import { endpointsKey, type ServiceEndpoints } from './endpoint.ts';

/** What addresses are indexed from. */
export interface AddressInputs {
  readonly endpoints: PersistentMap<string, ServiceEndpoints>;
}

/** `endpointsKey`s by the address of an endpoint. */
type KeysByAddress = ReadonlyMap<string, readonly string[]>;

/**
 * Where an address may be an endpoint. An index of everything is made now and then; what changed since stands in a small one beside it, so
 * the first may name Services that have lost an address.
 */
export interface AddressIndex {
  readonly whole: KeysByAddress;
  /** The Services whose endpoints changed since. */
  readonly changed: ReadonlySet<string>;
  readonly recent: KeysByAddress;
}

/** The small index is made again with every change. */
const mostChanged = 100;

function keysByAddress(services: Iterable<readonly [key: string, endpoints: ServiceEndpoints]>): KeysByAddress {
  const found = new Map<string, string[]>();
  for (const [key, { endpoints }] of services) {
    for (const { address } of endpoints) {
      const keys = found.get(address);
      if (!keys) found.set(address, [key]);
      else if (keys.at(-1) !== key) keys.push(key);
    }
  }
  return found;
}

/** The index of these endpoints. */
export function buildAddresses(
  { endpoints }: AddressInputs,
  previous: Stage<AddressInputs, AddressIndex> | undefined,
): AddressIndex {
  if (previous) {
    const changed = new Set(previous.value.changed);
    for (const key of differingKeys(previous.inputs.endpoints, endpoints)) changed.add(key);
    if (changed.size <= mostChanged) {
      const now = [...changed].flatMap((key): [string, ServiceEndpoints][] => {
        const value = endpoints.get(key);
        return value ? [[key, value]] : [];
      });
      return { whole: previous.value.whole, changed, recent: keysByAddress(now) };
    }
  }
  return { whole: keysByAddress(endpoints), changed: new Set(), recent: new Map() };
}

const placesOf = memo(
  (services: readonly Service[]): ReadonlyMap<string, number> =>
    new Map(services.map((service, i) => [endpointsKey(service), i])),
);

const none: readonly Service[] = Object.freeze([]);

/** Those of a list of Services that may have the address as an endpoint, in the list's order. */
export function servicesAt(
  { whole, recent }: AddressIndex,
  services: readonly Service[],
  address: string,
): readonly Service[] {
  const keys = [...(whole.get(address) ?? []), ...(recent.get(address) ?? [])];
  if (!keys.length) return none;
  const places = placesOf(services);
  const found = new Set<number>();
  for (const key of keys) {
    const place = places.get(key);
    if (place !== undefined) found.add(place);
  }
  return [...found].sort((a, b) => a - b).flatMap(place => services[place] ?? []);
}

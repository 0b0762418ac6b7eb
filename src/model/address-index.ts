import { memo } from '../memo.ts';
import { differingKeys, type Stage } from './derive.ts';
import { endpointsKey, type ServiceEndpoints } from './endpoint.ts';
import type { PersistentMap } from './persistent-map.ts';
import type { Service } from './service.ts';

/** What addresses are indexed from. */
export type AddressInputs = readonly [endpoints: PersistentMap<string, ServiceEndpoints>];

/** Where an address may be an endpoint. An index is made from the one before it, and looks into all that changed since a whole one. */
export interface AddressIndex {
  /** The `endpointsKey`s of Services that had the address when the whole index was made. */
  readonly whole: ReadonlyMap<string, readonly string[]>;
  /** The Services whose endpoints changed since. */
  readonly changed: ReadonlySet<string>;
}

/** Changed Services are asked for every address: more of them than this are not worth it. */
const mostChanged = 32;

/** The index of these endpoints. */
export function buildAddresses(
  [endpoints]: AddressInputs,
  previous: Stage<AddressInputs, AddressIndex> | undefined,
): AddressIndex {
  if (previous) {
    const changed = new Set(previous.value.changed);
    for (const key of differingKeys(previous.inputs[0], endpoints)) changed.add(key);
    if (changed.size <= mostChanged) return { whole: previous.value.whole, changed };
  }
  const whole = new Map<string, string[]>();
  for (const [key, { endpoints: all }] of endpoints) {
    for (const { address } of all) {
      const keys = whole.get(address);
      if (!keys) whole.set(address, [key]);
      else if (keys.at(-1) !== key) keys.push(key);
    }
  }
  return { whole, changed: new Set() };
}

const placesOf = memo(
  (services: readonly Service[]): ReadonlyMap<string, number> =>
    new Map(services.map((service, i) => [endpointsKey(service), i])),
);

/** Those of a list of Services that may have the address as an endpoint, in the list's order. */
export function servicesAt(
  { whole, changed }: AddressIndex,
  services: readonly Service[],
  address: string,
): readonly Service[] {
  const places = placesOf(services);
  const found = new Set<number>();
  for (const keys of [whole.get(address) ?? [], changed]) {
    for (const key of keys) {
      const place = places.get(key);
      if (place !== undefined) found.add(place);
    }
  }
  return [...found].sort((a, b) => a - b).flatMap(place => services[place] ?? []);
}

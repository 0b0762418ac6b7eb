import type { ServiceEntry } from '../../istio/config.ts';
import { byAge } from '../../istio/object.ts';
import { isAllocated } from './service-entry.ts';

/** 240.240.0.0/16 without the addresses that end in 0 or 255. */
const slots = 256 * 254;

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

/** The key of an allocation. */
export const allocationKey = (namespace: string, host: string): string => `${namespace}/${host}`;

/**
 * Addresses for the hosts of ServiceEntries that have none, by `allocationKey`: one of 240.240.0.0/16 and one of 2001:2::/48. A host's
 * address comes from the hash of its name, so that other ServiceEntries come and go without moving it (istiod's own allocator keeps its
 * choice in the object's status: where that has one it is used); of two that meet, the older stays.
 */
export function autoAllocate(entries: Iterable<ServiceEntry>): ReadonlyMap<string, readonly string[]> {
  const sorted = [...entries].sort(byAge);
  const taken = new Set(sorted.flatMap(entry => Object.values(entry.allocated ?? {}).flat()));
  // A host that has an address by one entry needs no other for the ports that another one gives it.
  const addressed = new Set(
    sorted.flatMap(({ meta, spec }) =>
      spec.addresses?.length ? (spec.hosts ?? []).map(host => allocationKey(meta.namespace, host)) : [],
    ),
  );
  const allocated = new Map<string, readonly string[]>();
  for (const entry of sorted) {
    for (const host of entry.spec.hosts ?? []) {
      const key = allocationKey(entry.meta.namespace, host);
      if (addressed.has(key) || allocated.has(key) || !isAllocated(entry, host)) continue;
      const told = entry.allocated?.[host];
      if (told) {
        allocated.set(key, told);
        continue;
      }
      const start = hash(key);
      for (let i = 0; i < slots; i++) {
        const [v4, v6] = addressesAt((start + i) % slots);
        if (taken.has(v4) || taken.has(v6)) continue;
        taken.add(v4);
        allocated.set(key, Object.freeze([v4, v6]));
        break;
      }
    }
  }
  return allocated;
}

function addressesAt(slot: number): readonly [v4: string, v6: string] {
  const third = Math.floor(slot / 254);
  const fourth = (slot % 254) + 1;
  return [`240.240.${third}.${fourth}`, `2001:2::f0f0:${(third * 256 + fourth).toString(16)}`];
}

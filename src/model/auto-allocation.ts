import type { ServiceEntry } from './config.ts';
import { byAge } from './object.ts';
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
 * choice in the object's status, which nobody writes here); of two that meet, the older stays.
 */
export function autoAllocate(entries: Iterable<ServiceEntry>): ReadonlyMap<string, readonly string[]> {
  const allocated = new Map<string, readonly string[]>();
  const taken = new Set<number>();
  for (const entry of [...entries].sort(byAge)) {
    for (const host of entry.spec.hosts ?? []) {
      const key = allocationKey(entry.meta.namespace, host);
      if (allocated.has(key) || !isAllocated(entry, host) || taken.size === slots) continue;
      let slot = hash(key) % slots;
      while (taken.has(slot)) slot = (slot + 1) % slots;
      taken.add(slot);
      const third = Math.floor(slot / 254);
      const fourth = (slot % 254) + 1;
      const low = (third * 256 + fourth).toString(16);
      allocated.set(key, Object.freeze([`240.240.${third}.${fourth}`, `2001:2::f0f0:${low}`]));
    }
  }
  return allocated;
}

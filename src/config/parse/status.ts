import { isIP } from 'node:net';
import type { RawObject } from '../raw.ts';
import { isFields } from '../read.ts';

/** A list in an object's status; empty where there is none. Nobody writes a status by hand, so nothing is reported. */
function list(raw: RawObject, name: string) {
  const status = raw['status'];
  const value = isFields(status) ? status[name] : undefined;
  return Array.isArray(value) ? value.filter(isFields) : [];
}

/** Addresses that istiod's allocator wrote into a ServiceEntry's status, by host; undefined where there are none. */
export function allocatedAddresses(raw: RawObject): Readonly<Record<string, readonly string[]>> | undefined {
  const found: Record<string, string[]> = {};
  for (const { host, value } of list(raw, 'addresses')) {
    if (typeof host !== 'string' || typeof value !== 'string' || !isIP(value)) continue;
    found[host] = [...(found[host] ?? []), value];
  }
  return Object.keys(found).length ? found : undefined;
}

/** Whether the condition `Healthy` of a status is true. */
export const isHealthy = (raw: RawObject): boolean =>
  list(raw, 'conditions').some(({ type, status }) => type === 'Healthy' && status === 'True');

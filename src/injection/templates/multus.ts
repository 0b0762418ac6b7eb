/**
 * Multus' annotation of networks, in JSON or as a list of names, with one more (inject/template.go appendMultusNetwork). What cannot be read is left
 * as it is.
 */
export function networksWith(existing: string, network: string): string {
  if (!existing) return network;
  const [namespace = '', name = ''] = network.includes('/') ? network.split('/', 2) : ['', network];
  const end = existing.lastIndexOf(']');
  if (end < 0) {
    const known = existing.split(',').some(item => item.trim() === network);
    return known ? existing : `${existing}, ${network}`;
  }
  const networks = jsonIn(existing);
  if (!isList(networks)) return existing;
  const has = networks.some(item => isObject(item) && item['name'] === name && (item['namespace'] ?? '') === namespace);
  if (has) return existing;
  const added = `, {"name": "${name}"${namespace && `, "namespace": "${namespace}"`}}`;
  return existing.slice(0, end) + added + existing.slice(end);
}

import { isList, isObject, jsonIn } from '../../unknown.ts';

import type { PatchOperation } from '../../src/injection/json-patch.ts';

/** The value after a JSON patch (RFC 6902), as the API server applies it: what is to be replaced or removed has to be there. */
export function patched(value: unknown, patch: readonly PatchOperation[]): unknown {
  const root = { '': structuredClone(value) } as Record<string, unknown>;
  for (const operation of patch) {
    const steps = ['', ...operation.path.split('/').slice(1)].map(s => s.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = steps.pop() ?? '';
    let at: unknown = root;
    for (const step of steps) at = (at as Record<string, unknown>)[step];
    const parent = at as Record<string, unknown>;
    const has = Object.hasOwn(parent, last);
    if (operation.op !== 'add' && !has) throw new Error(`${operation.op} ${operation.path}: there is nothing`);
    if (Array.isArray(parent)) {
      const index = Number(last);
      if (index > parent.length) throw new Error(`${operation.path}: beyond the end`);
      if (operation.op === 'remove') parent.splice(index, 1);
      else parent.splice(index, operation.op === 'add' ? 0 : 1, structuredClone(operation.value));
    } else if (operation.op === 'remove') delete parent[last];
    else parent[last] = structuredClone(operation.value);
  }
  return root[''];
}

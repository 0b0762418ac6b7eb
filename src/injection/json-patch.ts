import { isDeepStrictEqual } from 'node:util';
import { isList, isObject, type Json, own } from '../unknown.ts';

/** An operation of a JSON patch (RFC 6902). */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: Json }
  | { readonly op: 'remove'; readonly path: string };

const pointer = (path: string, step: string | number): string =>
  `${path}/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** What makes the second value of the first; of two lists, element by element, and what is longer at the end. A field that is null is none. */
export function jsonPatch(before: Json, after: Json, path = ''): readonly PatchOperation[] {
  if (isObject(before) && isObject(after)) {
    const gone = Object.keys(before).filter(key => before[key] != null && own(after, key) === undefined);
    return [
      ...gone.map((key): PatchOperation => ({ op: 'remove', path: pointer(path, key) })),
      ...Object.entries(after).flatMap(([key, value]): readonly PatchOperation[] => {
        if (value === undefined) return [];
        const old = own(before, key);
        return old === undefined
          ? [{ op: 'add', path: pointer(path, key), value }]
          : jsonPatch(old, value, pointer(path, key));
      }),
    ];
  }
  if (isList(before) && isList(after)) {
    const shared = Math.min(before.length, after.length);
    return [
      ...after.slice(0, shared).flatMap((value, i) => jsonPatch(before[i] as Json, value, pointer(path, i))),
      // From behind, so that no index moves before it is used.
      ...before
        .slice(shared)
        .map((_, i): PatchOperation => ({ op: 'remove', path: pointer(path, before.length - 1 - i) })),
      ...after.slice(shared).map((value, i): PatchOperation => ({ op: 'add', path: pointer(path, shared + i), value })),
    ];
  }
  return isDeepStrictEqual(before, after) ? [] : [{ op: 'replace', path, value: after }];
}

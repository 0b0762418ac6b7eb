import { isList, isObject, type Json, type JsonObject, own } from '../unknown.ts';

/** How the lists of a type of object are merged; what is not named here is replaced as a whole (lists) or merged by field (objects). */
export interface MergeSchema {
  /** By field: objects whose own fields have rules. */
  readonly objects?: { readonly [field: string]: MergeSchema };
  /** By field: lists of objects whose elements are the same if this field of theirs is. */
  readonly lists?: { readonly [field: string]: { readonly key: string; readonly of?: MergeSchema } };
  /** By field: lists of plain values that are merged as sets. */
  readonly sets?: readonly string[];
}

const container: MergeSchema = {
  lists: {
    ports: { key: 'containerPort' },
    env: { key: 'name' },
    volumeMounts: { key: 'mountPath' },
    volumeDevices: { key: 'devicePath' },
  },
};

/** A pod's lists (k8s.io/api core/v1: `patchStrategy` and `patchMergeKey`). */
export const podSchema: MergeSchema = {
  objects: {
    metadata: { lists: { ownerReferences: { key: 'uid' } }, sets: ['finalizers'] },
    spec: {
      lists: {
        containers: { key: 'name', of: container },
        initContainers: { key: 'name', of: container },
        ephemeralContainers: { key: 'name', of: container },
        volumes: { key: 'name' },
        imagePullSecrets: { key: 'name' },
        hostAliases: { key: 'ip' },
        topologySpreadConstraints: { key: 'topologyKey' },
        schedulingGates: { key: 'name' },
        resourceClaims: { key: 'name' },
      },
    },
  },
};

const directive = '$patch';
const retainKeys = '$retainKeys';
const deleteFrom = '$deleteFromPrimitiveList/';
const elementOrder = '$setElementOrder/';

/** The items of a list in a patch that are not there to say what becomes of the others. */
const withoutDirected = (list: readonly Json[]): readonly Json[] =>
  list.filter(item => !(isObject(item) && directive in item));

/** What of a patch is new: without directives and nulls, which stand for nothing where there is nothing. */
function withoutDirectives(value: Json): Json | undefined {
  if (isList(value)) return withoutDirected(value).flatMap(item => withoutDirectives(item) ?? []);
  if (!isObject(value)) return value;
  if (directive in value && value[directive] !== 'replace') return undefined;
  const fields = Object.entries(value).flatMap(([field, inner]): [string, Json][] => {
    const kept = field.startsWith('$') || inner == null ? undefined : withoutDirectives(inner);
    return kept === undefined ? [] : [[field, kept]];
  });
  return Object.fromEntries(fields);
}

/**
 * Lays a strategic merge patch over an object, as kubectl and the API server do (k8s.io/apimachinery strategicpatch): `$patch: delete` and
 * `replace`, `$retainKeys`, `$deleteFromPrimitiveList/FIELD` and `$setElementOrder/FIELD` are read; null takes a field away.
 */
export function strategicMerge(original: JsonObject, patch: JsonObject, schema: MergeSchema = podSchema): JsonObject {
  if (patch[directive] === 'replace') return withoutDirectives(patch) as JsonObject;
  if (patch[directive] === 'delete') return {};
  const retained = patch[retainKeys];
  const fields = new Map(Object.entries(original).filter(([field]) => !isList(retained) || retained.includes(field)));
  for (const [field, value] of Object.entries(patch)) {
    if (value === undefined || field === retainKeys || field.startsWith(elementOrder)) continue;
    if (field.startsWith(deleteFrom)) {
      const name = field.slice(deleteFrom.length);
      const list = fields.get(name);
      if (isList(list) && isList(value))
        fields.set(
          name,
          list.filter(item => !value.includes(item)),
        );
      continue;
    }
    const merged = value === null ? undefined : mergeValue(fields.get(field), value, field, schema);
    if (merged === undefined) fields.delete(field);
    else fields.set(field, merged);
  }
  for (const [field, order] of Object.entries(patch)) {
    if (!field.startsWith(elementOrder) || !isList(order)) continue;
    const name = field.slice(elementOrder.length);
    const list = fields.get(name);
    if (isList(list)) fields.set(name, ordered(list, order, own(schema.lists, name)?.key));
  }
  return Object.fromEntries(fields);
}

function mergeValue(original: Json | undefined, patch: Json, field: string, schema: MergeSchema): Json | undefined {
  if (isObject(original) && isObject(patch)) return strategicMerge(original, patch, own(schema.objects, field) ?? {});
  if (isList(original) && isList(patch)) {
    const list = own(schema.lists, field);
    if (list) return mergeList(original, patch, list.key, list.of ?? {});
    if (schema.sets?.includes(field))
      return inPatchOrder([...new Set([...original, ...patch])], original, patch, x => x);
  }
  return withoutDirectives(patch);
}

function mergeList(original: readonly Json[], patch: readonly Json[], key: string, schema: MergeSchema): Json {
  const idOf = (item: Json): Json | undefined => (isObject(item) ? item[key] : undefined);
  const plain = withoutDirected(patch);
  if (patch.some(item => isObject(item) && item[directive] === 'replace')) return withoutDirectives(plain) as Json;
  const deleted = new Set(
    patch.flatMap(item => (isObject(item) && item[directive] === 'delete' ? (idOf(item) ?? []) : [])),
  );
  const merged = original.filter(item => !deleted.has(idOf(item) ?? null));
  for (const item of plain) {
    const at = merged.findIndex(known => idOf(known) === idOf(item));
    const known = merged[at];
    if (isObject(known) && isObject(item)) merged[at] = strategicMerge(known, item, schema);
    else merged.push(withoutDirectives(item) as Json);
  }
  return inPatchOrder(merged, original, plain, idOf);
}

/**
 * The order of a merged list (strategicpatch normalizeElementOrder): what the patch names stands as in the patch, the rest as before; of the two
 * heads the one that only the original has goes first where it stood before the other, else the patch's does.
 */
function inPatchOrder(
  merged: readonly Json[],
  original: readonly Json[],
  patch: readonly Json[],
  idOf: (item: Json) => Json | undefined,
): readonly Json[] {
  const places = (list: readonly Json[]) => {
    const at = new Map<Json | undefined, number>();
    list.forEach((item, i) => {
      if (!at.has(idOf(item))) at.set(idOf(item), i);
    });
    return (item: Json | undefined) => (item === undefined ? -1 : (at.get(idOf(item)) ?? -1));
  };
  const [before, inPatch] = [places(original), places(patch)];
  const patched = merged.filter(item => inPatch(item) >= 0).sort((a, b) => inPatch(a) - inPatch(b));
  const rest = merged.filter(item => inPatch(item) < 0);
  const result: Json[] = [];
  for (let i = 0, j = 0; i < rest.length || j < patched.length; ) {
    const [left, right] = [rest[i], patched[j]];
    const first = j >= patched.length || (i < rest.length && before(right) >= 0 && before(left) < before(right));
    const next = first ? left : right;
    if (first) i++;
    else j++;
    if (next !== undefined) result.push(next);
  }
  return result;
}

/** The list in the order that `$setElementOrder` gives; what it does not name stands behind what stood before it. */
function ordered(list: readonly Json[], order: readonly Json[], key: string | undefined): readonly Json[] {
  const idOf = (item: Json): Json | undefined => (key !== undefined && isObject(item) ? item[key] : item);
  return inPatchOrder(list, list, order, idOf);
}

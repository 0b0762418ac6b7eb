import { memo } from '../memo.ts';
import { counters } from './counters.ts';
import { type NameSet, NONE, without } from './name-set.ts';
import type { EncodedResource } from './resource.ts';
import { emptySet, middles, ResourceSet } from './resource-set.ts';
import type { XdsType } from './resource-types.ts';

/** The resources of `set` that `names` lists. */
export interface Selection {
  readonly set: ResourceSet;
  readonly names: NameSet;
}

/**
 * What a client has, or is to have, of one type. `basis` is what the client had of the type that this one warms. Interned, so that equal
 * clients share their views and all that is computed from them.
 */
export interface View extends Selection {
  readonly basis: View | undefined;
}

/** The view of these. */
export const view = memo(
  (set: ResourceSet, names: NameSet, basis: View | undefined): View => Object.freeze({ set, names, basis }),
);

/** Nothing of a type. */
export const emptyView = (type: XdsType): View => view(emptySet(type), NONE, undefined);

/** The resource of this name, if the view has it. */
export const resourceIn = ({ set, names }: View, name: string): EncodedResource | undefined =>
  names.has(name) ? set.resources.get(name) : undefined;

/** All resources of a selection, in order. */
export function* resourcesIn({ set, names }: Selection): Generator<EncodedResource> {
  if (names.all) yield* set.list;
  else if (names.size < set.list.length) {
    for (const name of [...names].sort()) {
      const resource = set.resources.get(name);
      if (resource) yield resource;
    }
  } else for (const resource of set.list) if (names.has(resource.name)) yield resource;
}

/** What must be sent to a client that has one view, so that it has another. */
export interface Difference {
  readonly changed: readonly EncodedResource[];
  /** The names among `changed` that the client did not have. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Nothing. */
export const SAME: Difference = Object.freeze({ changed: [], added: [], removed: [] });

/** Whether there is nothing to send. */
export const isSame = (d: Difference): boolean => d.changed.length === 0 && d.removed.length === 0;

const setDifference = memo((from: ResourceSet, to: ResourceSet): Difference => {
  if (from === to) return SAME;
  const { before, after } = middles(from.list, to.list);
  const old = new Map(before.map(resource => [resource.name, resource]));
  const names = new Set(after.map(resource => resource.name));
  return {
    changed: after.filter(resource => old.get(resource.name)?.version !== resource.version),
    added: after.flatMap(({ name }) => (old.has(name) ? [] : name)),
    removed: before.flatMap(({ name }) => (names.has(name) ? [] : name)),
  };
});

/** The names of resources that `a` asks for and `b` does not. */
function* namesOnlyIn(a: Selection, b: Selection): Generator<string> {
  if (b.names.all || a.names === b.names) return;
  if (!a.names.all) yield* without(a.names, b.names);
  else for (const { name } of a.set.list) if (!b.names.has(name)) yield name;
}

/** Names are in no order; replicas are to send the same. */
const inOrder = (resources: readonly EncodedResource[]): readonly EncodedResource[] =>
  resources.toSorted((a, b) => (a.name < b.name ? -1 : 1));

/**
 * The difference apart from what the basis has to do with it: one for all whose views differ in their basis alone, and so is its frame. Costs what
 * differs: between the sets, which is computed once for all views of them, and between the names.
 */
const plainDifference = memo(
  (fromSet: ResourceSet, toSet: ResourceSet, fromNames: NameSet, toNames: NameSet): Difference => {
    const from = { set: fromSet, names: fromNames };
    const to = { set: toSet, names: toNames };
    const whole = setDifference(fromSet, toSet);
    if (from.names === to.names && (to.names.all || whole === SAME)) return whole;
    const changed = whole.changed.filter(r => to.names.has(r.name));
    const added = whole.added.filter(name => to.names.has(name));
    const removed = whole.removed.filter(name => from.names.has(name));
    for (const resource of changed)
      if (from.set.resources.has(resource.name) && !from.names.has(resource.name)) added.push(resource.name);
    const more: EncodedResource[] = [];
    for (const name of namesOnlyIn(to, from)) {
      const resource = to.set.resources.get(name);
      // What changed is there already.
      if (resource && resource.version === from.set.resources.get(name)?.version) more.push(resource);
    }
    for (const resource of inOrder(more)) {
      changed.push(resource);
      added.push(resource.name);
    }
    for (const name of namesOnlyIn(from, to))
      if (from.set.resources.has(name) && to.set.resources.has(name)) removed.push(name);
    return { changed, added, removed };
  },
);

/**
 * The difference between two views. Envoy takes a changed cluster into use only when its endpoints have been sent again, and waits for
 * nothing else to ask for them (https://github.com/envoyproxy/envoy/issues/13009), so the names that changed in the basis count as changed.
 */
export const difference: (from: View, to: View) => Difference = memo((from: View, to: View): Difference => {
  if (from === to) return SAME;
  const plain = plainDifference(from.set, to.set, from.names, to.names);
  counters.differences++;
  if (from.basis === to.basis || !to.basis) return plain;
  const basis = difference(from.basis ?? emptyView(to.basis.set.type), to.basis);
  const names = new Set(plain.changed.map(r => r.name));
  const again = basis.changed.flatMap(({ name }) => (names.has(name) ? [] : (resourceIn(to, name) ?? [])));
  return again.length === 0 ? plain : { ...plain, changed: [...plain.changed, ...again] };
});

/** `plain`, and every name of `asked` answered even though nothing changed: sent if it is in `to`, else removed. */
export const differenceAsked = memo((plain: Difference, to: View, asked: NameSet): Difference => {
  const changed = new Set(plain.changed.map(r => r.name));
  const removed = new Set(plain.removed);
  const again: EncodedResource[] = [];
  const gone: string[] = [];
  for (const name of asked) {
    const resource = resourceIn(to, name);
    // A resource without content is known from another server only and cannot be sent.
    const known = resource !== undefined && resource.bytes.length > 0;
    if (known && !changed.has(name)) again.push(resource);
    if (!known && !removed.has(name)) gone.push(name);
  }
  if (again.length + gone.length === 0) return plain;
  return { changed: [...plain.changed, ...inOrder(again)], added: plain.added, removed: [...plain.removed, ...gone] };
});

/** `to`, and whatever of `from` it no longer has: what a client has while the old is still in use. */
export const unionView = memo((from: View, to: View): View => {
  const { removed } = difference(from, to);
  if (removed.length === 0) return to;
  const kept = removed.flatMap(name => (to.names.has(name) && resourceIn(from, name)) || []);
  if (kept.length === 0) return to;
  const joined = view(new ResourceSet(to.set.type, [...to.set.list, ...kept]), to.names, to.basis);
  // A client that only has more than it needs keeps the view it has.
  return from.names === to.names && from.basis === to.basis && isSame(difference(from, joined)) ? from : joined;
});

/** A view with resources of which only the versions are known, because another server sent them: `extra` beside those of `to`. */
export function resumedView(to: View, extra: ReadonlyMap<string, string>): View {
  if (extra.size === 0) return to;
  const known = Array.from(extra, ([name, version]) => ({ name, version, bytes: Buffer.alloc(0), sources: [] }));
  return view(new ResourceSet(to.set.type, [...to.set.list, ...known]), to.names, to.basis);
}

/** Whether every one of these names that is still wanted in `wanted` is in `held`. */
export const holdsAll = memo((held: View, names: NameSet, wanted: ResourceSet): boolean => {
  for (const name of names) if (wanted.resources.has(name) && !resourceIn(held, name)) return false;
  return true;
});

import { memo } from '../memo.ts';
import { counters } from './counters.ts';
import { type NameSet, NONE, without } from './name-set.ts';
import type { EncodedResource } from './resource.ts';
import { emptySet, middles, NO_PART, Part, ResourceSet } from './resource-set.ts';
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
export function resourceIn({ set, names }: View, name: string): EncodedResource | undefined {
  // Of many names that are asked for there may be hardly any resources, and a set of names is the dearer of the two to look into.
  const resource = set.get(name);
  return resource && names.has(name) ? resource : undefined;
}

/** All resources of a selection, in order. */
export function* resourcesIn({ set, names }: Selection): Generator<EncodedResource> {
  if (names.all) yield* set.list;
  else if (names.size < set.size) {
    for (const name of [...names].sort()) {
      const resource = set.get(name);
      if (resource) yield resource;
    }
  } else for (const resource of set.list) if (names.has(resource.name)) yield resource;
}

/** What differs between two parts of a type: sets that have both in common share it, and the bytes that are sent for it. */
export interface Change {
  readonly changed: readonly EncodedResource[];
  /** The names among `changed` that the client did not have. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** What must be sent to a client that has one view, so that it has another. */
export class Difference implements Change {
  /** None of them is empty. */
  readonly changes: readonly Change[];

  constructor(changes: readonly Change[]) {
    this.changes = changes;
  }

  get changed(): readonly EncodedResource[] {
    return this.#all(change => change.changed);
  }

  get added(): readonly string[] {
    return this.#all(change => change.added);
  }

  get removed(): readonly string[] {
    return this.#all(change => change.removed);
  }

  #all<T>(of: (change: Change) => readonly T[]): readonly T[] {
    const [first] = this.changes;
    return first && this.changes.length === 1 ? of(first) : this.changes.flatMap(of);
  }
}

/** Nothing. */
export const SAME = new Difference([]);

/** Whether there is nothing to send. */
export const isSame = (d: Difference): boolean => d.changes.length === 0;

const isEmpty = ({ changed, removed }: Change): boolean => changed.length === 0 && removed.length === 0;

const onlyChange = memo((change: Change): Difference => new Difference([change]));

function differenceOf(...changes: readonly Change[]): Difference {
  const some = changes.filter(change => !isEmpty(change));
  const [first, ...others] = some;
  return others.length ? new Difference(some) : first ? onlyChange(first) : SAME;
}

function changeBetween(from: readonly EncodedResource[], to: readonly EncodedResource[]): Change {
  const { before, after } = middles(from, to);
  const old = new Map(before.map(resource => [resource.name, resource]));
  const names = new Set(after.map(resource => resource.name));
  return {
    changed: after.filter(resource => old.get(resource.name)?.version !== resource.version),
    added: after.flatMap(({ name }) => (old.has(name) ? [] : name)),
    removed: before.flatMap(({ name }) => (names.has(name) ? [] : name)),
  };
}

const partChange = memo((from: Part, to: Part): Change => changeBetween(from.list, to.list));

/** Whether a resource has gone from one part to another. */
function hasMoved(changes: readonly Change[]): boolean {
  const removed = new Set(changes.flatMap(change => change.removed));
  return removed.size > 0 && changes.some(({ added }) => added.some(name => removed.has(name)));
}

const setDifference = memo((from: ResourceSet, to: ResourceSet): Difference => {
  if (from === to) return SAME;
  const longer = from.parts.length > to.parts.length ? from.parts : to.parts;
  const changes = longer.flatMap((_, i) => {
    const [before = NO_PART, after = NO_PART] = [from.parts[i], to.parts[i]];
    return before === after ? [] : partChange(before, after);
  });
  return hasMoved(changes) ? differenceOf(changeBetween(from.list, to.list)) : differenceOf(...changes);
});

/** The names that `a` has and `b` has not; where `a` has all, those of `set`. */
function* namesOnlyIn(a: NameSet, b: NameSet, set: ResourceSet): Generator<string> {
  if (b.all || a === b) return;
  if (!a.all) yield* without(a, b);
  else for (const { name } of set.list) if (!b.has(name)) yield name;
}

/** Names are in no order; replicas are to send the same. */
const inOrder = (resources: readonly EncodedResource[]): readonly EncodedResource[] =>
  resources.toSorted((a, b) => (a.name < b.name ? -1 : 1));

/**
 * The difference apart from what the basis has to do with it: one for all whose views differ in their basis alone, and so is its frame. Costs what
 * differs: between the sets, which is computed once for all views of them, and between the names.
 */
const plainDifference = memo(
  (fromSet: ResourceSet, fromNames: NameSet, toSet: ResourceSet, toNames: NameSet): Difference => {
    const whole = setDifference(fromSet, toSet);
    if (toNames.all && (fromNames.all || fromSet.size === 0)) return whole;
    if (fromNames === toNames && whole === SAME) return whole;
    const changed = whole.changed.filter(r => toNames.has(r.name));
    const added = whole.added.filter(name => toNames.has(name));
    const removed = whole.removed.filter(name => fromNames.has(name));
    for (const { name } of changed) if (fromSet.has(name) && !fromNames.has(name)) added.push(name);
    const more: EncodedResource[] = [];
    for (const name of namesOnlyIn(toNames, fromNames, toSet)) {
      const resource = toSet.get(name);
      // What changed is there already.
      if (resource && resource.version === fromSet.get(name)?.version) more.push(resource);
    }
    for (const resource of inOrder(more)) {
      changed.push(resource);
      added.push(resource.name);
    }
    for (const name of namesOnlyIn(fromNames, toNames, fromSet))
      if (fromSet.has(name) && toSet.has(name)) removed.push(name);
    return differenceOf({ changed, added, removed });
  },
);

/** The resources of a set whose clusters changed, but for those that change themselves. */
const warmed = memo((clusters: Change, own: Difference, set: ResourceSet, names: NameSet): Change => {
  const changing = new Set(own.changed.map(r => r.name));
  const again = clusters.changed.flatMap(({ name }) => {
    return changing.has(name) || !names.has(name) ? [] : (set.get(name) ?? []);
  });
  return { changed: again, added: [], removed: [] };
});

/**
 * The difference between two views. Envoy takes a changed cluster into use only when its endpoints have been sent again, and waits for
 * nothing else to ask for them (https://github.com/envoyproxy/envoy/issues/13009), so the names that changed in the basis count as changed.
 */
export const difference: (from: View, to: View) => Difference = memo((from: View, to: View): Difference => {
  if (from === to) return SAME;
  const plain = plainDifference(from.set, from.names, to.set, to.names);
  counters.differences++;
  if (from.basis === to.basis || !to.basis) return plain;
  const basis = difference(from.basis ?? emptyView(to.basis.set.type), to.basis);
  const again = basis.changes.map(change => warmed(change, plain, to.set, to.names));
  return again.every(isEmpty) ? plain : differenceOf(...plain.changes, ...again);
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
  return differenceOf(...plain.changes, { changed: inOrder(again), added: [], removed: gone });
});

/** `to`, and whatever of `from` it no longer has: what a client has while the old is still in use. */
export const unionView = memo((from: View, to: View): View => {
  const { removed } = difference(from, to);
  if (removed.length === 0) return to;
  const kept = removed.flatMap(name => (to.names.has(name) && resourceIn(from, name)) || []);
  if (kept.length === 0) return to;
  const joined = view(new ResourceSet(to.set.type, [...to.set.parts, new Part(kept)]), to.names, to.basis);
  // A client that only has more than it needs keeps the view it has.
  return from.names === to.names && from.basis === to.basis && isSame(difference(from, joined)) ? from : joined;
});

/** A view with resources of which only the versions are known, because another server sent them: `extra` beside those of `to`. */
export function resumedView(to: View, extra: ReadonlyMap<string, string>): View {
  if (extra.size === 0) return to;
  const known = Array.from(extra, ([name, version]) => ({ name, version, bytes: Buffer.alloc(0), sources: [] }));
  return view(new ResourceSet(to.set.type, [...to.set.parts, new Part(known)]), to.names, to.basis);
}

/** Whether every one of these names that is still wanted in `wanted` is in `held`. */
export const holdsAll = memo((held: View, names: NameSet, wanted: ResourceSet): boolean => {
  for (const name of names) if (wanted.has(name) && !resourceIn(held, name)) return false;
  return true;
});

import { hash } from 'node:crypto';
import { memo } from '../memo.ts';
import type { ObjectKey } from '../object-key.ts';
import type { MessageTypes } from '../proto/generated/registry.ts';
import { encode } from '../proto/message.ts';
import { counters } from './counters.ts';
import { entry, resourceOfEntry } from './entry.ts';
import type { EncodedResource } from './resource.ts';
import {
  type Fragments,
  pushOrder,
  resourceType,
  resourceTypes,
  type XdsMessage,
  type XdsType,
} from './resource-types.ts';
import { concatFields } from './wire.ts';

const digest = (bytes: Buffer | string): string => hash('sha256', bytes, 'base64url').slice(0, 16);

/** So many names are sooner looked for among all others than in a table of those. */
const FEW = 16;

/** Some of a set's resources, each name once: what many sets have in common is one part of them all. Immutable; kept by identity while nothing in it changes. */
export class Part {
  /** In the order in which they were made. */
  readonly list: readonly EncodedResource[];
  #byName: ReadonlyMap<string, EncodedResource> | undefined;
  #version: string | undefined;

  constructor(list: readonly EncodedResource[]) {
    this.list = list;
  }

  get(name: string): EncodedResource | undefined {
    if (this.list.length <= FEW) return this.list.find(resource => resource.name === name);
    this.#byName ??= new Map(this.list.map(resource => [resource.name, resource]));
    return this.#byName.get(name);
  }

  /** Hash of the versions of all resources, which stand for their content and so for their names. */
  get version(): string {
    this.#version ??= digest(this.list.map(resource => resource.version).join());
    return this.#version;
  }
}

/** A part without resources. */
export const NO_PART = new Part([]);

/** All resources of one type that a proxy is to have, each name once. Immutable; kept by identity while nothing in it changes. */
export class ResourceSet {
  readonly type: XdsType;
  /** The sets of equal proxies have equal parts in the same places. */
  readonly parts: readonly Part[];
  #version: string | undefined;

  constructor(type: XdsType, parts: readonly Part[]) {
    this.type = type;
    this.parts = parts;
  }

  get size(): number {
    return this.parts.reduce((size, { list }) => size + list.length, 0);
  }

  /** In the order in which they were made. */
  get list(): readonly EncodedResource[] {
    const [first, ...others] = this.parts;
    return others.length ? this.parts.flatMap(part => part.list) : (first?.list ?? []);
  }

  get(name: string): EncodedResource | undefined {
    for (const part of this.parts) {
      const found = part.get(name);
      if (found) return found;
    }
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Stands for the content of all resources. */
  get version(): string {
    const [first = NO_PART, ...others] = this.parts;
    this.#version ??= others.length ? digest(this.parts.map(part => part.version).join()) : first.version;
    return this.#version;
  }
}

/** What differs between two lists that are mostly alike: what lies between their common beginning and end. */
export function middles<T>(
  a: readonly T[],
  b: readonly T[],
): { readonly start: number; readonly before: readonly T[]; readonly after: readonly T[] } {
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start++;
  let end = 0;
  while (end < shorter - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  return { start, before: a.slice(start, a.length - end), after: b.slice(start, b.length - end) };
}

/** What one proxy is to have: a set for each type. */
export type Snapshot = { readonly [T in XdsType]: ResourceSet };

const encodeFragment = memo((element: object, { message }: Fragments): Buffer => {
  counters.fragments++;
  // The field's elements have the type that the row names.
  return encode(message, element as MessageTypes[typeof message]);
}, 1);

function encodeMessage(type: XdsType, message: object): Buffer {
  const { message: name, fragments } = resourceType(type);
  const elements: unknown = fragments && Reflect.get(message, fragments.field);
  // The caller's message has the type that the row names.
  if (!fragments || !Array.isArray(elements)) return encode(name, message as MessageTypes[typeof name]);
  const rest = encode(name, { ...message, [fragments.field]: [] } as MessageTypes[typeof name]);
  // Parts of a message may be encoded apart and joined in any order: https://protobuf.dev/programming-guides/encoding/#last-one-wins
  return concatFields(
    rest,
    fragments.number,
    elements.map((element: object) => encodeFragment(element, fragments)),
  );
}

/** Encodes a message of a type, once for each message object. `sources` says which objects it was made from. */
export const encodeResource = <T extends XdsType>(
  type: T,
  message: XdsMessage<T>,
  sources: readonly ObjectKey[] = [],
): EncodedResource => encoded(message, type, sources);

const encoded = memo((message: object, type: XdsType, sources: readonly ObjectKey[]): EncodedResource => {
  counters.resources++;
  const nameOf: (message: object) => string = resourceTypes[type].nameOf as never;
  const bytes = encodeMessage(type, message);
  const [name, version] = [nameOf(message), digest(bytes)];
  const made = entry(resourceTypes[type].typeUrl, name, version, bytes);
  return resourceOfEntry(made, { name, bytes, version, sources });
}, 1);

const firstOfEachName = (list: readonly EncodedResource[]): readonly EncodedResource[] => {
  const names = new Set<string>();
  return list.filter(({ name }) => !names.has(name) && names.add(name));
};

const share = (some: readonly EncodedResource[], others: readonly EncodedResource[]): boolean => {
  if (some.length === 0) return false;
  if (some.length <= FEW) return some.some(({ name }) => others.some(other => other.name === name));
  const names = new Set(others.map(({ name }) => name));
  return some.some(({ name }) => names.has(name));
};

/**
 * The part of `list`, in its order. A resource that equals `previous`'s keeps that identity; when all do, the result is `previous` itself.
 * Of two resources with one name the first counts, since Envoy would reject the whole response.
 */
export function part(list: readonly EncodedResource[], previous: Part = NO_PART): Part {
  const { start, before, after } = middles(previous.list, list);
  const known = new Map(before.map(resource => [resource.name, resource]));
  const unique = firstOfEachName(after);
  const around = [...list.slice(0, start), ...list.slice(start + after.length)];
  const added = unique.filter(({ name }) => !known.has(name));
  if (share(added, around)) return part(firstOfEachName(list), previous);
  const kept = unique.map(resource => {
    const old = known.get(resource.name);
    return old?.version === resource.version ? old : resource;
  });
  if (kept.length === before.length && kept.every((resource, i) => resource === before[i])) return previous;
  return new Part([...around.slice(0, start), ...kept, ...around.slice(start)]);
}

const without = memo((some: Part, ...others: readonly Part[]): Part => {
  const left = some.list.filter(({ name }) => !others.some(other => other.get(name)));
  return left.length === some.list.length ? some : new Part(left);
});

const setOfParts = memo((type: XdsType, ...parts: readonly Part[]): ResourceSet => new ResourceSet(type, parts));

/** The set of these parts; `previous` where it has the same. Of two resources with one name the first counts. */
export function joinedSet(type: XdsType, parts: readonly Part[], previous?: ResourceSet): ResourceSet {
  const distinct = parts.map((some, i) => (i === 0 ? some : without(some, ...parts.slice(0, i))));
  const same = previous?.parts.length === distinct.length && distinct.every((one, i) => one === previous.parts[i]);
  return same ? previous : setOfParts(type, ...distinct);
}

const empty = Object.fromEntries(pushOrder.map(type => [type, new ResourceSet(type, [])])) as unknown as Snapshot;

/** The empty set of a type. */
export const emptySet = (type: XdsType): ResourceSet => empty[type];

/** A snapshot of the given sets, with nothing of the other types. */
export const snapshot = (sets: Partial<Snapshot> = {}): Snapshot => Object.freeze({ ...empty, ...sets });

import type { Kind, KindTypes } from '../config/kinds.ts';
import type { Problem } from '../config/problem.ts';
import type { ConfigContents } from '../config/store.ts';
import { memo } from '../memo.ts';
import type { ObjectKey } from '../object-key.ts';
import { PersistentMap } from '../persistent-map.ts';

/** What a conversion made. */
export interface Converted<T> {
  /** Each with `sources`, the objects that it was made from, and with a name that no user can give. */
  readonly objects: ReadonlyMap<ObjectKey, T>;
  /** What is wrong with the objects that it was made from. */
  readonly problems: readonly Problem[];
}

/**
 * Makes objects of one kind from objects of others, as VirtualServices from the Gateway API's routes. Memoised on the maps that it reads, so
 * that what it made keeps its identity while those do.
 */
export interface Conversion<K extends Kind> {
  readonly makes: K;
  readonly convert: (contents: ConfigContents) => Converted<KindTypes[K]>;
}

export type AnyConversion = { readonly [K in Kind]: Conversion<K> }[Kind];

/** All conversions, in order: each finds what those before it made. */
const conversions: readonly AnyConversion[] = [];

type Objects = ConfigContents[Kind];

const joined = memo(
  (written: Objects, made: Objects): Objects =>
    (written instanceof PersistentMap ? written : PersistentMap.of<ObjectKey, KindTypes[Kind]>(written)).with(made),
);

function withProblems(known: ConfigContents['problems'], found: readonly Problem[]): ConfigContents['problems'] {
  if (!found.length) return known;
  const all = new Map(known);
  for (const problem of found) all.set(problem.object, [...(all.get(problem.object) ?? []), problem]);
  return all;
}

/** The objects that were written, and those that conversions make of them. */
export function converted(written: ConfigContents, stages: readonly AnyConversion[] = conversions): ConfigContents {
  let contents = written;
  for (const { makes, convert } of stages) {
    const { objects, problems } = convert(contents);
    const all = objects.size ? joined(contents[makes], objects) : contents[makes];
    contents = Object.freeze({ ...contents, [makes]: all, problems: withProblems(contents.problems, problems) });
  }
  return contents;
}

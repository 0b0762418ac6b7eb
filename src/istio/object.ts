import type { ObjectKey } from '../object-key.ts';
/** What every object has. */
export interface ObjectMeta {
  readonly key: ObjectKey;
  readonly name: string;
  /** Empty for kinds without a namespace. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Milliseconds since 1970; 0 where the object does not say (a file). Older objects win conflicts. */
  readonly createdAt: number;
  readonly resourceVersion: string;
}

/** Older first, then by namespace and name: the order in which Istio lets objects win. */
export const byAge = (a: { readonly meta: ObjectMeta }, b: { readonly meta: ObjectMeta }): number =>
  a.meta.createdAt - b.meta.createdAt ||
  compare(a.meta.name, b.meta.name) ||
  compare(a.meta.namespace, b.meta.namespace);

/** Byte order, the same on every machine and locale. */
export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The order of an object's or a map's entries by their names. */
export const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => compare(a, b);

/** Whether `labels` has every pair of `selector`. An empty selector selects everything. */
export const selects = (
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): boolean => {
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
};

import { Interner, memo } from '../memo.ts';
import { compare } from './object.ts';

export type Labels = Readonly<Record<string, string>>;

const known = new Interner<Labels>();

/** Labels as one shared value: equal labels, in any order, are the same object. */
export const internLabels: (labels: Labels) => Labels = memo(labels => {
  const sorted = Object.entries(labels).sort(([a], [b]) => compare(a, b));
  return known.intern(JSON.stringify(sorted), () => Object.freeze(Object.fromEntries(sorted)));
});

/** Both; those of `over` win. */
export const mergeLabels: (under: Labels, over: Labels) => Labels = memo((under, over) =>
  Object.keys(under).length ? internLabels({ ...under, ...over }) : internLabels(over),
);

import { memo, one } from '../memo.ts';
import { byKey } from './object.ts';

export type Labels = Readonly<Record<string, string>>;

/** Labels as one shared value: equal labels, in any order, are the same object. */
export const internLabels: (labels: Labels) => Labels = memo(labels =>
  one(Object.fromEntries(Object.entries(labels).sort(byKey))),
);

/** Both; those of `over` win. */
export const mergeLabels: (under: Labels, over: Labels) => Labels = memo((under, over) =>
  Object.keys(under).length ? internLabels({ ...under, ...over }) : internLabels(over),
);

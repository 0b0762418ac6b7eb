import type { ObjectKey } from '../model/object.ts';

/** A user's mistake: what is wrong, where, and what was expected. Problems are values; nothing throws them. */
export interface Problem {
  readonly object: ObjectKey;
  /** The field in the object as the user wrote it, e.g. `spec.http[0].route[1].weight`; empty for the object as a whole. */
  readonly path: string;
  readonly message: string;
  /** `error`: the field or object is not in force. `warning`: it is, but probably not as meant. */
  readonly severity: 'error' | 'warning';
}

/** What a parser makes of a raw object: a value with what was wrong in it, or nothing but problems. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T; readonly problems: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** One line for people: `VirtualService/default/reviews spec.http[0].timeout: …`. */
export const problemLine = (p: Problem): string => `${p.object}${p.path && ` ${p.path}`}: ${p.message}`;

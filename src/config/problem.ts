import type { ObjectKey } from '../object-key.ts';

/** A user's mistake: what is wrong, where, and what was expected. Problems are values; nothing throws them. */
export interface Problem {
  readonly object: ObjectKey;
  /** The field in the object as the user wrote it, e.g. `spec.http[0].route[1].weight`; empty for the object as a whole. */
  readonly path: string;
  readonly message: string;
  /** `error`: the field or object is not in force. `warning`: it is, but probably not as meant. */
  readonly severity: 'error' | 'warning';
}

/** What a parser makes of a raw object: a value with what was wrong in it, or problems. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T; readonly problems: readonly Problem[] }
  | {
      readonly ok: false;
      readonly problems: readonly Problem[];
      /**
       * What is in force of an object that restricts and is not valid: at least what it forbids, as far as that can be read, is forbidden. `last`
       * is its last valid version; there is none where the object is new, or the process. Undefined: the last valid version alone, or nothing.
       */
      close?(last: T | undefined): Closed<T> | undefined;
    };

/** What is in force of an object that is not valid. */
export interface Closed<T> {
  readonly value: T;
  /** What that comes to, for people. */
  readonly meaning: string;
}

/** One line for people: `VirtualService/default/reviews spec.http[0].timeout: …`. */
export const problemLine = (p: Problem): string => `${p.object}${p.path && ` ${p.path}`}: ${p.message}`;

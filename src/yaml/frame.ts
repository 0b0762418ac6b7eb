import { isObject } from '../unknown.ts';
import type { Scalar } from './resolve.ts';
import type { TokenType } from './token.ts';

export type Mapping = Record<string, unknown>;

/** What a name stands for. A collection is open while it is read: until then an alias to it would make it contain itself. */
export interface Anchor {
  value: unknown;
  /** How many nodes it has, those that its aliases stand for included. */
  nodes: number;
  open: boolean;
  readonly scalar: Scalar | undefined;
}

/** YAML's productions of collections. */
export type Production =
  | 'block sequence'
  | 'indentless sequence'
  | 'block mapping'
  | 'flow sequence'
  | 'flow mapping'
  | 'flow pair';

/** A collection that is being read. */
export interface Frame {
  readonly production: Production;
  readonly line: number;
  anchor: Anchor | undefined;
  readonly sequence: unknown[] | undefined;
  readonly mapping: Mapping;
  /** In a mapping: whether a key was read that has no value yet; `undefined` stands for the merge key `<<`. */
  hasKey: boolean;
  key: string | undefined;
  /** Keys that come from a merge: one of the mapping's own may stand beside them. */
  merged: Set<string> | undefined;
  /** Whether an entry was read, so that a comma must come before the next. */
  begun: boolean;
  nodes: number;
}

/** What may follow a `-`, a key or a colon that has no node of its own. */
export const endsEntry: Readonly<Record<Production, ReadonlySet<TokenType>>> = {
  'block sequence': new Set(['block entry', 'block end']),
  'indentless sequence': new Set(['block entry', 'key', 'value', 'block end']),
  'block mapping': new Set(['key', 'value', 'block end']),
  'flow sequence': new Set(),
  'flow mapping': new Set(['value', 'flow entry', 'flow mapping end']),
  'flow pair': new Set(['value', 'flow entry', 'flow sequence end']),
};

/** A collection that has just been opened. */
export const newFrame = (production: Production, line: number): Frame => ({
  production,
  line,
  anchor: undefined,
  sequence: production.endsWith('sequence') ? [] : undefined,
  mapping: {},
  hasKey: false,
  key: undefined,
  merged: undefined,
  begun: false,
  nodes: 1,
});

/** The list or the mapping that it becomes. */
export const valueIn = ({ sequence, mapping }: Frame): unknown => sequence ?? mapping;

/** Sets a mapping's own key. */
export const setOwn = (mapping: Mapping, key: string, value: unknown): void => {
  // Assigned, it would be the prototype.
  if (key === '__proto__')
    Object.defineProperty(mapping, key, { value, writable: true, enumerable: true, configurable: true });
  else mapping[key] = value;
};

/**
 * `<<`: what is merged takes the place of keys before it, as with kubectl; of several mappings the first wins. Throws an Error where the value
 * is none.
 */
export function merge(frame: Frame, value: unknown): void {
  const sources: readonly unknown[] = Array.isArray(value) ? value : [value];
  frame.merged ??= new Set();
  for (const source of sources.toReversed()) {
    if (!isObject(source)) throw new Error('<< takes a mapping, or a list of mappings');
    for (const key of Object.keys(source)) {
      if (!Object.hasOwn(frame.mapping, key)) frame.merged.add(key);
      setOwn(frame.mapping, key, source[key]);
    }
  }
}

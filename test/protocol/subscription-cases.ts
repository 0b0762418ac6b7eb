import type { Protocol } from '../../src/xds/frame.ts';
import type { XdsType } from '../../src/xds/resource-types.ts';
import { madeSet } from './made-up.ts';

/** Names, and a number that stands for what is in them. */
export type Contents = Readonly<Record<string, number>>;

/** A step: the client says something, and is then sent what is owed of `has` ('-': nothing). */
export interface Step {
  readonly has: Contents;
  readonly says?: {
    readonly names?: readonly string[];
    readonly unsubscribe?: readonly string[];
    readonly initial?: Readonly<Record<string, string>>;
    readonly nonce?: 'last' | 'older' | '';
    readonly error?: string;
    readonly version?: string;
  };
  readonly answer?: 'none' | 'ack' | 'nack' | 'stale';
  readonly sends: '-' | { readonly changed?: readonly string[]; readonly removed?: readonly string[] };
}

/** An exchange about one type, step by step. */
export interface Case {
  readonly name: string;
  readonly type: XdsType;
  readonly protocols?: readonly Protocol[];
  readonly steps: readonly Step[];
}

/** Two contents of a world, of which only `a` differs. */
export const A1 = { a: 1, b: 1 };
export const A2 = { a: 2, b: 1 };
/** Both protocols. */
export const both: readonly Protocol[] = ['sotw', 'delta'];
const ack = { nonce: 'last' } as const;
const versionOf = (type: XdsType, name: string, content: number): string =>
  madeSet(type, { [name]: content }).get(name)?.version ?? '';

/** Everything that a client can say about a type, and what it is to be sent then. */
export const cases: readonly Case[] = [
  {
    name: 'a first request without names asks for every cluster, and an acknowledgement for nothing',
    type: 'cluster',
    steps: [
      { has: A1, says: {}, sends: { changed: ['a', 'b'] } },
      { has: A1, says: ack, answer: 'ack', sends: '-' },
      { has: A2, sends: { changed: ['a'] } },
      { has: A2, says: ack, answer: 'ack', sends: '-' },
    ],
  },
  {
    name: 'a star asks for everything, of leaf types too',
    type: 'endpoint',
    steps: [{ has: A1, says: { names: ['*'] }, sends: { changed: ['a', 'b'] } }],
  },
  {
    name: 'no names of a leaf type are none, and the first request is answered all the same',
    type: 'endpoint',
    steps: [{ has: A1, says: {}, sends: {} }],
  },
  {
    name: 'a first request is answered even if there is nothing',
    type: 'listener',
    steps: [
      { has: {}, says: {}, sends: {} },
      { has: {}, says: ack, answer: 'ack', sends: '-' },
      { has: { a: 1 }, sends: { changed: ['a'] } },
    ],
  },
  {
    name: 'a first request with the version and nonce of another stream is answered in full',
    type: 'listener',
    protocols: ['sotw'],
    steps: [{ has: A1, says: { nonce: 'older', version: 'whatever' }, sends: { changed: ['a', 'b'] } }],
  },
  {
    name: 'what was rejected is not sent again until it changes',
    type: 'cluster',
    steps: [
      { has: A1, says: {}, sends: { changed: ['a', 'b'] } },
      { has: A1, says: { nonce: 'last', error: 'no' }, answer: 'nack', sends: '-' },
      { has: A1, sends: '-' },
      { has: A2, sends: { changed: ['a'] } },
      { has: A2, says: ack, answer: 'ack', sends: '-' },
    ],
  },
  {
    name: 'what came with a rejected resource but is not complained of is sent again with the next change',
    type: 'cluster',
    protocols: ['delta'],
    steps: [
      { has: { a: 1, b: 1, c: 1 }, says: {}, sends: { changed: ['a', 'b', 'c'] } },
      { has: { a: 1, b: 1, c: 1 }, says: { nonce: 'last', error: 'cluster a: no' }, answer: 'nack', sends: '-' },
      { has: { a: 1, b: 1, c: 2 }, sends: { changed: ['c', 'b'] } },
    ],
  },
  {
    name: 'a rejection is known by its error, even one without words',
    type: 'route',
    steps: [
      { has: A1, says: { names: ['a'] }, sends: { changed: ['a'] } },
      { has: A1, says: { nonce: 'last', error: '' }, answer: 'nack', sends: '-' },
    ],
  },
  {
    name: 'an answer to an older response is ignored',
    type: 'route',
    protocols: ['sotw'],
    steps: [
      { has: A1, says: { names: ['a'] }, sends: { changed: ['a'] } },
      { has: A2, says: { names: ['a', 'b'], nonce: 'older' }, answer: 'stale', sends: '-' },
      { has: A2, says: { names: ['a'], nonce: 'last' }, answer: 'ack', sends: { changed: ['a'] } },
      { has: A2, says: { names: ['a'], nonce: 'last' }, answer: 'ack', sends: '-' },
      { has: A2, says: { names: ['a', 'b'], nonce: 'older' }, answer: 'stale', sends: '-' },
    ],
  },
  {
    name: 'a stale answer still subscribes in delta, where names are not repeated',
    type: 'route',
    protocols: ['delta'],
    steps: [
      { has: A1, says: { names: ['a'] }, sends: { changed: ['a'] } },
      { has: A1, says: { names: ['b'], nonce: 'older' }, answer: 'stale', sends: '-' },
      { has: A1, says: ack, answer: 'ack', sends: { changed: ['b'] } },
    ],
  },
  {
    name: 'more names of a leaf type are answered with what is new',
    type: 'endpoint',
    protocols: ['sotw'],
    steps: [
      { has: A1, says: { names: ['a'] }, sends: { changed: ['a'] } },
      { has: A1, says: { names: ['a'], nonce: 'last' }, answer: 'ack', sends: '-' },
      { has: A1, says: { names: ['a', 'b'], nonce: 'last' }, answer: 'none', sends: { changed: ['b'] } },
    ],
  },
  {
    name: 'names that are asked for with the acknowledgement are answered',
    type: 'endpoint',
    protocols: ['sotw'],
    steps: [
      { has: A1, says: { names: ['a'] }, sends: { changed: ['a'] } },
      { has: A1, says: { names: ['b', 'a'], nonce: 'last' }, answer: 'ack', sends: { changed: ['b'] } },
      { has: A1, says: { names: ['a', 'b'], nonce: 'last' }, answer: 'ack', sends: '-' },
    ],
  },
  {
    name: 'fewer names of a leaf type are answered with nothing, and then not pushed',
    type: 'endpoint',
    protocols: ['sotw'],
    steps: [
      { has: A1, says: { names: ['a', 'b'] }, sends: { changed: ['a', 'b'] } },
      { has: A1, says: { names: ['b'], nonce: 'last' }, answer: 'ack', sends: '-' },
      { has: A2, sends: '-' },
      { has: A2, says: { names: ['a', 'b'], nonce: 'last' }, sends: { changed: ['a'] } },
    ],
  },
  {
    name: 'no names after some unsubscribe from all',
    type: 'route',
    protocols: ['sotw'],
    steps: [
      { has: A1, says: { names: ['a'] }, sends: { changed: ['a'] } },
      { has: A1, says: { names: [], nonce: 'last' }, answer: 'ack', sends: '-' },
      { has: A2, sends: '-' },
    ],
  },
  {
    name: 'a request without a nonce starts over',
    type: 'endpoint',
    protocols: ['sotw'],
    steps: [
      { has: A1, says: { names: ['a'] }, sends: { changed: ['a'] } },
      { has: A1, says: { names: ['a', 'b'], nonce: '' }, answer: 'none', sends: { changed: ['a', 'b'] } },
    ],
  },
  {
    name: 'an unknown name is answered when it comes to be',
    type: 'route',
    protocols: ['sotw'],
    steps: [
      { has: {}, says: { names: ['a'] }, sends: {} },
      { has: {}, says: { names: ['a'], nonce: 'last' }, answer: 'ack', sends: '-' },
      { has: { a: 1 }, sends: { changed: ['a'] } },
    ],
  },
  {
    name: 'an unknown name is answered as removed, and sent when it comes to be',
    type: 'route',
    protocols: ['delta'],
    steps: [
      { has: {}, says: { names: ['a'] }, sends: { removed: ['a'] } },
      { has: {}, says: ack, answer: 'ack', sends: '-' },
      { has: { a: 1 }, sends: { changed: ['a'] } },
    ],
  },
  {
    name: 'what is no more is removed',
    type: 'listener',
    protocols: ['delta'],
    steps: [
      { has: A1, says: {}, sends: { changed: ['a', 'b'] } },
      { has: { b: 1 }, says: ack, answer: 'ack', sends: { removed: ['a'] } },
      { has: { b: 1 }, says: ack, answer: 'ack', sends: '-' },
    ],
  },
  {
    name: 'a name that is asked for again is sent again',
    type: 'endpoint',
    protocols: ['delta'],
    steps: [
      { has: A1, says: { names: ['a', 'b'] }, sends: { changed: ['a', 'b'] } },
      { has: A1, says: ack, answer: 'ack', sends: '-' },
      { has: A1, says: { names: ['a'] }, answer: 'none', sends: { changed: ['a'] } },
    ],
  },
  {
    name: 'a name that was given up is not pushed, and sent when it is asked for again',
    type: 'endpoint',
    protocols: ['delta'],
    steps: [
      { has: A1, says: { names: ['a', 'b'] }, sends: { changed: ['a', 'b'] } },
      { has: A1, says: ack, answer: 'ack', sends: '-' },
      { has: A1, says: { unsubscribe: ['a'] }, sends: '-' },
      { has: A2, sends: '-' },
      { has: A2, says: { names: ['a'] }, sends: { changed: ['a'] } },
    ],
  },
  {
    name: 'a name that is given up under a wildcard is told again',
    type: 'cluster',
    protocols: ['delta'],
    steps: [
      { has: A1, says: { names: ['*', 'a'] }, sends: { changed: ['a', 'b'] } },
      { has: A1, says: ack, answer: 'ack', sends: '-' },
      { has: A1, says: { unsubscribe: ['a'] }, sends: { changed: ['a'] } },
      { has: A1, says: ack, answer: 'ack', sends: '-' },
      { has: A1, says: { unsubscribe: ['x'] }, sends: { removed: ['x'] } },
    ],
  },
  {
    name: 'a wildcard that is given up leaves the names',
    type: 'cluster',
    protocols: ['delta'],
    steps: [
      { has: A1, says: { names: ['*', 'a'] }, sends: { changed: ['a', 'b'] } },
      { has: A1, says: ack, answer: 'ack', sends: '-' },
      { has: A1, says: { unsubscribe: ['*'] }, sends: '-' },
      { has: { a: 2, b: 2 }, sends: { changed: ['a'] } },
    ],
  },
  {
    name: 'what the client came with is not sent again',
    type: 'cluster',
    protocols: ['delta'],
    steps: [
      {
        has: { a: 1, b: 2, c: 1 },
        says: { initial: { a: versionOf('cluster', 'a', 1), b: versionOf('cluster', 'b', 1), z: 'gone' } },
        sends: { changed: ['b', 'c'], removed: ['z'] },
      },
      { has: { a: 1, b: 2, c: 1 }, says: ack, answer: 'ack', sends: '-' },
    ],
  },
  {
    name: 'a client that came with everything gets an empty answer',
    type: 'endpoint',
    protocols: ['delta'],
    steps: [
      {
        has: A1,
        says: { names: ['a', 'b'], initial: { a: versionOf('endpoint', 'a', 1), b: versionOf('endpoint', 'b', 1) } },
        sends: {},
      },
      { has: A1, says: ack, answer: 'ack', sends: '-' },
      { has: A2, sends: { changed: ['a'] } },
    ],
  },
  {
    name: 'names that a returning client asks for but never had are answered',
    type: 'endpoint',
    protocols: ['delta'],
    steps: [
      {
        has: A1,
        says: { names: ['a', 'b', 'x'], initial: { a: versionOf('endpoint', 'a', 1) } },
        sends: { changed: ['b'], removed: ['x'] },
      },
    ],
  },
];

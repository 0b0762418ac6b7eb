import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Protocol } from '../../src/xds/frame.ts';
import type { XdsType } from '../../src/xds/resource-types.ts';
import {
  onRequest,
  onSent,
  owed,
  type Request,
  resume,
  type Subscription,
  wanted,
} from '../../src/xds/subscription.ts';
import { NONE, unionView } from '../../src/xds/view.ts';
import { madeSet } from './made-up.ts';

type Contents = Readonly<Record<string, number>>;

/** A step: the client says something, and is then sent what is owed of `has` ('-': nothing). */
interface Step {
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

interface Case {
  readonly name: string;
  readonly type: XdsType;
  readonly protocols?: readonly Protocol[];
  readonly steps: readonly Step[];
}

const A1 = { a: 1, b: 1 };
const A2 = { a: 2, b: 1 };
const both: readonly Protocol[] = ['sotw', 'delta'];
const ack = { nonce: 'last' } as const;
const versionOf = (type: XdsType, name: string, content: number): string =>
  madeSet(type, { [name]: content }).resources.get(name)?.version ?? '';

const cases: readonly Case[] = [
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
      { has: A2, says: { names: ['a', 'b'], nonce: 'last' }, answer: 'ack', sends: { changed: ['a', 'b'] } },
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

function request(
  protocol: Protocol,
  says: NonNullable<Step['says']>,
  nonce: string,
  names: readonly string[],
): Request {
  const error = says.error === undefined ? undefined : { code: 3, message: says.error };
  const answered = { nonce: says.nonce === 'last' ? nonce : says.nonce === 'older' ? 'other' : '', error };
  if (protocol === 'sotw') return { protocol, ...answered, names: says.names ?? names, version: says.version ?? '' };
  const initial = new Map(Object.entries(says.initial ?? {}));
  return { protocol, ...answered, subscribe: says.names ?? [], unsubscribe: says.unsubscribe ?? [], initial };
}

for (const protocol of both) {
  describe(`a subscription in ${protocol}`, () => {
    for (const { name, type, steps, protocols = both } of cases) {
      if (!protocols.includes(protocol)) continue;
      test(name, () => {
        let s: Subscription | undefined;
        let serial = 0;
        let names: readonly string[] = [];
        for (const [i, step] of steps.entries()) {
          const where = `step ${i + 1}`;
          if (step.says) {
            const reaction = onRequest(s, type, request(protocol, step.says, `n${serial}`, names), i);
            names = step.says.names ?? names;
            s = reaction.subscription;
            assert.equal(reaction.answer, step.answer ?? 'none', where);
          }
          assert.ok(s);
          const target = wanted(s, madeSet(type, step.has), undefined);
          s = resume(s, target, NONE);
          const by = s.pending ? undefined : owed(s, target);
          if (step.sends === '-') {
            assert.equal(by, undefined, where);
            continue;
          }
          assert.ok(by, where);
          const changed = by.changed.map(r => r.name);
          assert.deepEqual(changed, step.sends.changed ?? [], where);
          if (protocol === 'delta') assert.deepEqual(by.removed, step.sends.removed ?? [], where);
          s = onSent(s, target, by, { nonce: `n${++serial}`, version: target.set.version, at: i });
        }
      });
    }
  });
}

describe('a subscription', () => {
  const start = (type: XdsType, names: readonly string[]): Subscription =>
    onRequest(
      undefined,
      type,
      { protocol: 'delta', nonce: '', error: undefined, subscribe: names, unsubscribe: [], initial: new Map() },
      0,
    ).subscription;

  test('of equal clients shares all it holds', () => {
    const set = madeSet('endpoint', A1);
    const one = start('endpoint', ['b', 'a']);
    const other = start('endpoint', ['a', 'b']);
    assert.equal(one.names, other.names);
    assert.equal(wanted(one, set, undefined), wanted(other, set, undefined));
    assert.equal(owed(one, wanted(one, set, undefined)), owed(other, wanted(other, set, undefined)));
  });

  test('keeps hostile names apart', () => {
    assert.notEqual(start('endpoint', ['a,1:b']).names, start('endpoint', ['a', 'b']).names);
  });

  test('sends the endpoints of a changed cluster again, and no others', () => {
    const endpoints = madeSet('endpoint', A1);
    const clusters = (contents: Contents) => wanted(start('cluster', ['*']), madeSet('cluster', contents), undefined);
    const before = clusters(A1);
    const after = clusters(A2);
    let s = start('endpoint', ['a', 'b']);
    const target = wanted(s, endpoints, before);
    const by = owed(s, target);
    assert.ok(by);
    s = onSent(s, target, by, { nonce: 'n', version: 'v', at: 0 });
    assert.equal(owed(s, target), undefined);
    const again = owed(s, wanted(s, endpoints, after));
    assert.deepEqual(
      again?.changed.map(r => r.name),
      ['a'],
    );
  });

  test('holds what is no more until it may go', () => {
    let s = start('cluster', ['*']);
    const all = wanted(s, madeSet('cluster', A1), undefined);
    const by = owed(s, all);
    assert.ok(by);
    s = onSent(s, all, by, { nonce: 'n', version: 'v', at: 0 });
    const fewer = wanted(s, madeSet('cluster', { b: 1 }), undefined);
    assert.equal(unionView(s.held, fewer), all);
    const replaced = unionView(s.held, wanted(s, madeSet('cluster', { b: 2, c: 1 }), undefined));
    assert.deepEqual([...replaced.set.resources.keys()].sort(), ['a', 'b', 'c']);
  });

  test('names the resource that a rejection complains of', () => {
    const contents = { 'outbound|80||reviews': 1, 'outbound|80||reviews.default': 1, other: 1 };
    let s = start('cluster', ['*']);
    const target = wanted(s, madeSet('cluster', contents), undefined);
    const by = owed(s, target);
    assert.ok(by);
    s = onSent(s, target, by, { nonce: 'n', version: 'v', at: 0 });
    const message = 'Error adding/updating cluster(s) outbound|80||reviews.default: no.';
    const error = { code: 13, message };
    const { subscription } = onRequest(
      s,
      'cluster',
      { protocol: 'delta', nonce: 'n', error, subscribe: [], unsubscribe: [], initial: new Map() },
      7,
    );
    assert.deepEqual(subscription.rejected, {
      nonce: 'n',
      version: 'v',
      at: 7,
      code: 13,
      message,
      names: ['outbound|80||reviews.default'],
    });
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Protocol } from '../../src/xds/frame.ts';
import { NONE } from '../../src/xds/name-set.ts';
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
import { unionView } from '../../src/xds/view.ts';
import { madeSet } from './made-up.ts';
import { A1, A2, both, type Contents, cases, type Step } from './subscription-cases.ts';

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
          const by = s.exchange.phase === 'pending' ? undefined : owed(s, target);
          if (step.sends === '-') {
            assert.equal(by, undefined, where);
            continue;
          }
          assert.ok(by, where);
          const changed = by.changed.map(r => r.name);
          assert.deepEqual(changed, step.sends.changed ?? [], where);
          if (protocol === 'delta') assert.deepEqual(by.removed, step.sends.removed ?? [], where);
          s = onSent(s, target, by, { nonce: `n${++serial}`, version: target.set.version }, i);
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
    s = onSent(s, target, by, { nonce: 'n', version: 'v' }, 0);
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
    s = onSent(s, all, by, { nonce: 'n', version: 'v' }, 0);
    const fewer = wanted(s, madeSet('cluster', { b: 1 }), undefined);
    assert.equal(unionView(s.held, fewer), all);
    const replaced = unionView(s.held, wanted(s, madeSet('cluster', { b: 2, c: 1 }), undefined));
    assert.deepEqual(replaced.set.list.map(r => r.name).sort(), ['a', 'b', 'c']);
  });

  test('names the resource that a rejection complains of', () => {
    const contents = { 'outbound|80||reviews': 1, 'outbound|80||reviews.default': 1, other: 1 };
    let s = start('cluster', ['*']);
    const target = wanted(s, madeSet('cluster', contents), undefined);
    const by = owed(s, target);
    assert.ok(by);
    s = onSent(s, target, by, { nonce: 'n', version: 'v' }, 0);
    const message = 'Error adding/updating cluster(s) outbound|80||reviews.default: no.';
    const error = { code: 13, message };
    const { subscription } = onRequest(
      s,
      'cluster',
      { protocol: 'delta', nonce: 'n', error, subscribe: [], unsubscribe: [], initial: new Map() },
      7,
    );
    assert.deepEqual(subscription.exchange.nacked, {
      nonce: 'n',
      version: 'v',
      at: 7,
      code: 13,
      message,
      names: ['outbound|80||reviews.default'],
    });
  });
});

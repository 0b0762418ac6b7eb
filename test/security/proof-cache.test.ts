import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { bounds } from '../../src/bounds.ts';
import { parseSpiffeId } from '../../src/istio/spiffe.ts';
import { type Proof, unproven } from '../../src/security/authenticate.ts';
import { ProofCache } from '../../src/security/proof-cache.ts';
import { HeldClock } from '../support/clock.ts';

const identity = parseSpiffeId('spiffe://cluster.local/ns/default/sa/bookinfo') ?? assert.fail();

/** A cache, and a reviewer that answers when it is told to. */
function rig(life = Number.POSITIVE_INFINITY) {
  const clock = new HeldClock();
  const cache = new ProofCache(clock);
  const begun: {
    readonly token: string;
    readonly answer: (proof: Proof) => void;
    readonly fail: (e: Error) => void;
  }[] = [];
  const get = (token: string, origin = '') =>
    cache.get(token, () => new Promise((answer, fail) => void begun.push({ token, answer, fail })), origin);
  const good = (): Proof => ({ ok: true, caller: { proof: 'token', identity, expiresAt: clock.now() + life } });
  return { clock, cache, begun, get, good };
}

const turns = () => new Promise(done => setImmediate(done));

test('a thousand calls at once with one token make one review', async () => {
  const { begun, get, good } = rig();
  const calls = Array.from({ length: 1_000 }, () => get('one'));
  await turns();
  assert.equal(begun.length, 1);
  begun[0]?.answer(good());
  const answers = await Promise.all(calls);
  assert.ok(answers.every(answer => answer === answers[0] && answer.ok));
  assert.ok((await get('one')).ok);
  assert.equal(begun.length, 1);
});

for (const [name, life, lasts] of [
  ['a minute', Number.POSITIVE_INFINITY, 60_000],
  ["the token's own life", 7_000, 7_000],
] as const)
  test(`an answer is good for ${name}`, async () => {
    const { clock, begun, get, good } = rig(life);
    const first = get('one');
    await turns();
    begun[0]?.answer(good());
    await first;
    clock.pass(lasts - 1);
    assert.ok((await get('one')).ok);
    assert.equal(begun.length, 1);
    clock.pass(1);
    const second = get('one');
    await turns();
    assert.equal(begun.length, 2, 'then it is reviewed again');
    begun[1]?.answer(unproven('the pod is gone'));
    assert.deepEqual(await second, unproven('the pod is gone'));
  });

test('a refusal is good for five seconds, a failure for nothing', async () => {
  const { clock, begun, get } = rig();
  const refused = get('one');
  await turns();
  begun[0]?.answer(unproven('no'));
  await refused;
  await get('one');
  assert.equal(begun.length, 1);
  clock.pass(5_000);
  const failed = get('one');
  await turns();
  begun[1]?.fail(new Error('503'));
  assert.deepEqual(await failed, unproven('it cannot be reviewed: 503'));
  void get('one');
  await turns();
  assert.equal(begun.length, 3);
});

test('an API server that never answers holds nobody for longer than ten seconds, and no turn', async () => {
  const { clock, begun, get, good } = rig();
  const calls = Array.from({ length: 33 }, (_, index) => get(`token ${index}`));
  await turns();
  assert.equal(begun.length, 32);
  clock.pass(10_000);
  for (const answer of await Promise.all(calls.slice(0, 32)))
    assert.deepEqual(answer, unproven('it cannot be reviewed: no answer within 10000 ms'));
  await turns();
  assert.equal(begun.length, 33);
  begun[32]?.answer(good());
  assert.ok((await calls[32])?.ok);
  begun[0]?.answer(good());
  void get('token 0');
  await turns();
  assert.equal(begun.length, 34, 'an answer that comes too late is not remembered');
});

test('reviews are made 32 at once, in turn, and no more wait than there is room for', async () => {
  const { begun, get, good } = rig();
  const most = bounds['token-reviews'].most;
  const calls = Array.from({ length: most }, (_, index) => get(`token ${index}`));
  await turns();
  assert.equal(begun.length, 32);
  assert.match(inspect(await get('one more')), /at most 10000 requests to the API server about tokens/);
  for (let at = 0; at < most; at++) {
    begun[at]?.answer(good());
    if (at % 16 === 15) await turns();
    assert.ok(begun.length <= at + 33);
  }
  await Promise.all(calls);
  assert.deepEqual(
    begun.map(({ token }) => token),
    calls.map((_, index) => `token ${index}`),
  );
});

test('an address with thousands of tokens keeps no other waiting, and where there is no room gives up its own', async () => {
  const { begun, get, good } = rig();
  const most = bounds['token-reviews'].most;
  const flood = Array.from({ length: most }, (_, index) => get(`bad ${index}`, 'attacker'));
  await turns();
  assert.match(inspect(await get('one more', 'attacker')), /at most 10000 requests/);
  const honest = get('good', 'proxy');
  assert.match(inspect(await flood.at(-1)), /at most 10000 requests/, 'its last');
  for (let at = 0; at < 2; at++) begun[at]?.answer(unproven('no'));
  await turns();
  assert.deepEqual(
    begun.slice(32).map(({ token }) => token),
    ['bad 32', 'good'],
  );
  begun[33]?.answer(good());
  assert.ok((await honest).ok);
});

test('tokens that are refused, of which anybody can make any number, push out none that is good', async () => {
  const { cache, good } = rig();
  let reviews = 0;
  const ask = (token: string, proof: Proof) =>
    cache.get(token, async () => {
      reviews++;
      return proof;
    });
  await ask('good', good());
  for (let at = 0; at <= bounds['known-tokens'].most; at++) await ask(`bad ${at}`, unproven('no'));
  reviews = 0;
  await ask('good', good());
  assert.equal(reviews, 0);
});

test('only so many tokens are known, the newest; and none of them is kept as it is', async () => {
  const { cache, good } = rig();
  const most = bounds['known-tokens'].most;
  let reviews = 0;
  const ask = (index: number) =>
    cache.get(`secret-${index}`, async () => {
      reviews++;
      return good();
    });
  for (let at = 0; at <= most; at++) await ask(at);
  assert.equal(reviews, most + 1);
  await ask(most);
  assert.equal(reviews, most + 1);
  await ask(0);
  assert.equal(reviews, most + 2, 'the first one was forgotten');
  assert.doesNotMatch(inspect(cache, { depth: 9, showHidden: true }), /secret-/);
});

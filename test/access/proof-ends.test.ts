import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProofEnds } from '../../src/access/proof-ends.ts';
import { status } from '../../src/grpc/status.ts';
import { HeldClock } from '../support/clock.ts';

const DAY = 86_400_000;

function rig() {
  const clock = new HeldClock();
  const proofs = new ProofEnds<object>(clock);
  const ended: number[] = [];
  const stream = () => ({ client: {}, fail: ({ code }: { readonly code: number }) => void ended.push(code) });
  return { clock, proofs, ended, stream };
}

test('a stream ends with its proof and not sooner, also one that no timer waits for in one go', () => {
  for (const life of [1, 3_600_000, 60 * DAY]) {
    const { clock, proofs, ended, stream } = rig();
    const one = stream();
    proofs.admit(one.client, clock.now() + life);
    proofs.opened(one);
    for (let left = life - 1; left > 0; left -= 20 * DAY) clock.pass(Math.min(left, 20 * DAY));
    assert.deepEqual(ended, []);
    clock.pass(1);
    assert.deepEqual(ended, [status.UNAUTHENTICATED]);
  }
});

test('one without an end goes on, and of one that is over nothing is left', () => {
  const { clock, proofs, ended, stream } = rig();
  const [forever, plaintext, over] = [stream(), stream(), stream()];
  proofs.admit(forever.client, Number.POSITIVE_INFINITY);
  proofs.admit(over.client, clock.now() + DAY);
  for (const one of [forever, plaintext, over]) proofs.opened(one);
  proofs.closed(over);
  clock.pass(100 * DAY);
  assert.deepEqual(ended, []);
});

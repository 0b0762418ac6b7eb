import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bounds } from '../../src/bounds.ts';
import type { Frame } from '../../src/xds/frame.ts';
import { Unread } from '../../src/xds/unread.ts';

/** Streams and a clock. `failed` is who was ended, and by which bound. */
function streams() {
  let now = 10_000;
  const failed: string[] = [];
  const readers = new Set<ReturnType<typeof reader>>();
  const unread = new Unread(readers, () => now);
  function reader(name: string, known: boolean, writingSince?: number) {
    return { name, known, writingSince, fail: ({ bound }: { bound: string }) => void failed.push(`${name}: ${bound}`) };
  }
  return {
    unread,
    failed,
    pass: (ms: number) => {
      now += ms;
    },
    connect: (name: string, known: boolean) => {
      const made = reader(name, known, now);
      readers.add(made);
      return made;
    },
  };
}

const frameOf = (...sizes: readonly number[]): Frame => {
  // Only lengths are looked at: nothing is allocated.
  const buffers = sizes.map(length => ({ length }) as Buffer);
  return { buffers, size: sizes.reduce((sum, size) => sum + size, 0), nonce: '', version: '' };
};

test('a buffer counts once, for as long as anybody has yet to read it', () => {
  const { unread, connect } = streams();
  const [a, b] = [connect('a', true), connect('b', true)];
  const frame = frameOf(100, 20);
  const [first] = frame.buffers;
  assert.ok(first);
  unread.sending(a, frame);
  unread.sending(b, frame);
  assert.equal(unread.bytes, 120);
  unread.sending(b, { ...frame, buffers: [first] });
  unread.sent(frame);
  assert.equal(unread.bytes, 120);
  unread.sent(frame);
  assert.equal(unread.bytes, 100);
  unread.sent({ ...frame, buffers: [first] });
  assert.equal(unread.bytes, 0);
  unread.sent(frame);
  assert.equal(unread.bytes, 0);
});

test('who has not read for longest is ended where too much is unread, the unknown before the known', () => {
  const { most } = bounds['process-response-bytes'];
  const { unread, failed, connect, pass } = streams();
  const known = connect('known', true);
  pass(10);
  const slow = connect('slow', false);
  pass(10);
  const slower = connect('later', false);
  const frame = frameOf(most);
  unread.sending(known, frame);
  pass(980);
  assert.deepEqual(failed, []);
  // At the bound nobody is ended, and beyond it nobody who may yet read.
  unread.sending(slow, frameOf());
  assert.deepEqual(failed, []);
  unread.sending(slow, frameOf(1));
  assert.deepEqual(failed, ['known: process-response-bytes'], 'the only one that has had a second');
  failed.length = 0;
  pass(99);
  unread.sending(slower, frameOf());
  assert.deepEqual(failed, [], 'it has just been looked');
  pass(1);
  unread.sending(slower, frameOf());
  assert.equal(failed.join(), ['slow', 'later', 'known'].map(name => `${name}: process-response-bytes`).join());
});

test('no more are ended than it takes', () => {
  const { most } = bounds['process-response-bytes'];
  const { unread, failed, connect, pass } = streams();
  const held = frameOf(most / 2 + 1);
  const first = connect('first', false);
  const fail = first.fail;
  first.fail = error => {
    fail(error);
    unread.sent(held);
  };
  pass(1);
  const second = connect('second', false);
  unread.sending(first, held);
  pass(2_000);
  unread.sending(second, frameOf(most / 2 + 1));
  assert.deepEqual(failed, ['first: process-response-bytes']);
});

test('of too many that have acknowledged nothing the oldest is ended once it has had a second', () => {
  const { most } = bounds['unacknowledged-streams'];
  const { unread, failed, connect, pass } = streams();
  const [first, ...others] = Array.from({ length: most }, (_, i) => connect(`s${i}`, false));
  assert.ok(first && others.length > 0);
  for (const reader of [first, ...others]) unread.sending(reader, frameOf(1));
  for (let i = 0; i < 10; i++) unread.sending(connect(`known${i}`, true), frameOf(1));
  pass(1_000);
  unread.sending(first, frameOf(1));
  assert.deepEqual(failed, [], 'as many as may be');
  unread.sending(connect('more', false), frameOf(1));
  assert.deepEqual(failed, ['s0: unacknowledged-streams']);
  // s0 is gone: one may come. The next has had its second, too, unless it acknowledges.
  unread.proved(others[0] ?? first);
  unread.sending(connect('another', false), frameOf(1));
  assert.equal(failed.length, 1);
  unread.sending(connect('one more', false), frameOf(1));
  assert.deepEqual(failed.slice(1), ['s2: unacknowledged-streams']);
  const young = streams();
  for (let i = 0; i <= most + 5; i++) young.unread.sending(young.connect(`s${i}`, false), frameOf(1));
  young.pass(999);
  young.unread.sending(young.connect('last', false), frameOf(1));
  assert.deepEqual(young.failed, [], 'nobody has had a second');
});

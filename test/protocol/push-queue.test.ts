import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Ration } from '../../src/grpc/ration.ts';
import { type PushLimits, PushQueue, type Waiter } from '../../src/xds/push-queue.ts';
import { HeldClock } from '../support/clock.ts';

interface Stream extends Waiter {
  readonly name: string;
  known: boolean;
}

/** A queue whose streams are sent so many bytes in a turn; what is written leaves the process when a test says so. */
class Rig {
  readonly clock = new HeldClock();
  readonly served: string[] = [];
  readonly releases: (() => void)[] = [];
  idle = 0;
  bytes = 1;
  readonly queue: PushQueue<Stream>;

  constructor(limits: Partial<PushLimits> = {}) {
    this.queue = new PushQueue(
      { inFlight: 10, slice: 1_000, stall: 25, ...limits },
      this.clock,
      new Ration(this.clock),
      (stream, release) => {
        this.served.push(stream.name);
        if (this.bytes > 0) this.releases.push(release);
        return this.bytes;
      },
      () => this.idle++,
    );
  }

  async rest(): Promise<void> {
    for (let i = 0; i < 5; i++) await turn();
  }
}

const stream = (name: string, transport: object = {}, known = true): Stream => ({
  name,
  known,
  transport,
  waitsIn: undefined,
});

test('connections take turns, and so do the streams of each', async () => {
  const rig = new Rig();
  const [one, other] = [{}, {}];
  for (const each of [
    stream('a1', one),
    stream('a2', one),
    stream('a3', one),
    stream('b1', other),
    stream('b2', other),
  ])
    rig.queue.enqueue(each);
  assert.equal(rig.queue.length, 5);
  await rig.rest();
  assert.deepEqual(rig.served, ['a1', 'b1', 'a2', 'b2', 'a3']);
  assert.equal(rig.queue.length, 0);
});

test('a stream waits once, and not at all once it is forgotten', async () => {
  const rig = new Rig();
  const transport = {};
  const [first, gone, last] = [stream('first', transport), stream('gone', transport), stream('last', transport)];
  for (const each of [first, gone, last, first, last]) rig.queue.enqueue(each);
  rig.queue.remove(gone);
  rig.queue.remove(gone);
  assert.equal(rig.queue.length, 2);
  await rig.rest();
  assert.deepEqual(rig.served, ['first', 'last']);
  rig.queue.enqueue(gone);
  await rig.rest();
  assert.deepEqual(rig.served, ['first', 'last', 'gone']);
});

test('who has acknowledged something goes first, also when that is known only while it waits', async () => {
  const rig = new Rig();
  const [guest, proved, known] = [stream('guest', {}, false), stream('proved', {}, false), stream('known')];
  for (const each of [guest, proved, known]) rig.queue.enqueue(each);
  proved.known = true;
  rig.queue.enqueue(proved);
  assert.equal(rig.queue.length, 3);
  await rig.rest();
  assert.deepEqual(rig.served, ['known', 'proved', 'guest']);
});

test('no more bytes are on their way than may be, until some have left or were stalled for long enough', async () => {
  const rig = new Rig({ inFlight: 2 });
  for (const name of ['a', 'b', 'c', 'd']) rig.queue.enqueue(stream(name));
  await rig.rest();
  assert.deepEqual(rig.served, ['a', 'b']);
  rig.releases[0]?.();
  rig.releases[0]?.();
  await rig.rest();
  assert.deepEqual(rig.served, ['a', 'b', 'c']);
  rig.clock.pass(24);
  await rig.rest();
  assert.deepEqual(rig.served, ['a', 'b', 'c']);
  rig.clock.pass(1);
  await rig.rest();
  assert.deepEqual(rig.served, ['a', 'b', 'c', 'd']);
});

test('it says when nothing is left to do, and not while something is on its way', async () => {
  const rig = new Rig();
  rig.queue.enqueue(stream('a'));
  await rig.rest();
  assert.deepEqual([rig.served, rig.idle], [['a'], 0]);
  rig.releases[0]?.();
  await rig.rest();
  assert.equal(rig.idle, 1);
  rig.bytes = 0;
  rig.queue.enqueue(stream('nothing owed'));
  await rig.rest();
  assert.equal(rig.idle, 2);
});

test('a slice is a turn of the event loop: others come in between', async () => {
  const rig = new Rig({ slice: -1 });
  for (const name of ['a', 'b', 'c']) rig.queue.enqueue(stream(name));
  await turn();
  assert.deepEqual(rig.served, ['a']);
  await rig.rest();
  assert.deepEqual(rig.served, ['a', 'b', 'c']);
});

test('nobody is given a turn once it is closed', async () => {
  const rig = new Rig();
  for (const name of ['a', 'b']) rig.queue.enqueue(stream(name));
  rig.queue.close();
  await rig.rest();
  assert.deepEqual([rig.served, rig.queue.length], [[], 0]);
});

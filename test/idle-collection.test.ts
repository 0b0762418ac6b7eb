import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../src/clock.ts';
import { collectWhenIdle } from '../src/idle-collection.ts';

const MB = 1 << 20;

/** What is looked at, and how often it was collected. */
function watched() {
  let next: (() => unknown) | undefined;
  const clock: Clock = {
    now: () => 0,
    after(_, run) {
      next = run;
      return () => {};
    },
  };
  const state = { worked: 0, used: 40 * MB, live: 30 * MB, collections: 0 };
  collectWhenIdle(clock, {
    worked: () => state.worked,
    used: () => state.used,
    async collect() {
      state.collections++;
      state.used = state.live;
    },
  });
  const look = async (): Promise<void> => {
    const run = next;
    assert.ok(run, 'it looks again and again');
    next = undefined;
    await run();
  };
  return { state, look };
}

test('garbage is collected once it is quiet, and not again while there is hardly more', async () => {
  const { state, look } = watched();
  await look();
  assert.equal(state.collections, 1);
  state.used += 7 * MB;
  await look();
  assert.equal(state.collections, 1);
  state.used += 2 * MB;
  await look();
  assert.equal(state.collections, 2);
  state.live = state.used = 100 * MB;
  await look();
  assert.equal(state.collections, 3);
  state.used += 19 * MB;
  await look();
  assert.equal(state.collections, 3);
});

test('nothing is collected while there is work', async () => {
  const { state, look } = watched();
  state.worked = 0.11;
  await look();
  state.used = 900 * MB;
  await look();
  assert.equal(state.collections, 0);
  state.worked = 0.1;
  await look();
  assert.equal(state.collections, 1);
});

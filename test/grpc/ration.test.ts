import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ration, type Work } from '../../src/grpc/ration.ts';
import { HeldClock } from '../support/clock.ts';

/** Something for newcomers that always has more to do, a millisecond at a time. */
function busy(clock: HeldClock, ration: Ration, work: Work, done: Work[]): void {
  const goOn = (): void => {
    while (ration.open) {
      ration.use(() => clock.pass(1));
      done.push(work);
    }
    ration.wait(work, goOn);
  };
  goOn();
}

test('newcomers have half of the time, in slices of a few milliseconds', () => {
  const clock = new HeldClock();
  const ration = new Ration(clock);
  const done: Work[] = [];
  busy(clock, ration, 'requests', done);
  const began = clock.now();
  let longest = 0;
  while (clock.now() < began + 1_000) {
    const before = clock.now();
    clock.pass(1);
    longest = Math.max(longest, clock.now() - before);
  }
  assert.ok(done.length > 300 && done.length <= 510, `${done.length} of 1000 ms`);
  assert.ok(longest <= 6, `${longest} ms without a rest`);
});

test('what waits for time takes turns', () => {
  const clock = new HeldClock();
  const ration = new Ration(clock);
  const done: Work[] = [];
  const works: readonly Work[] = ['connections', 'requests', 'responses'];
  for (const work of works) busy(clock, ration, work, done);
  while (done.length < 300) clock.pass(1);
  for (const work of works) {
    const share = done.filter(each => each === work).length;
    assert.ok(share > 80 && share < 120, `${work}: ${share} of 300`);
  }
});

test('a piece of work that takes long is followed by a rest as long', () => {
  const clock = new HeldClock();
  const ration = new Ration(clock);
  assert.ok(ration.open);
  ration.use(() => clock.pass(50));
  clock.pass(49);
  assert.ok(!ration.open);
  clock.pass(1);
  assert.ok(ration.open);
});

test('what cannot go on though there is time waits for the next, and keeps nobody from it', () => {
  const clock = new HeldClock();
  const ration = new Ration(clock);
  let asked = 0;
  const again = (): void => {
    asked++;
    ration.wait('connections', again);
  };
  again();
  for (let i = 0; i < 10; i++) clock.pass(1);
  assert.equal(asked, 11);
});

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { imageEnvironment } from '../bench/image.ts';
import { HANGING_MS, until } from '../support/until.ts';
import { attacksOn } from './attacks.ts';
import { Canary, Target } from './target.ts';
import { tlsAttacks } from './tls-attacks.ts';
import { most, tryAttack } from './try.ts';
import { call, callHeaders, frame, frames, RawPeer, session } from './wire.ts';
import { xdsAttacks } from './xds-attacks.ts';

// The short form of run.ts: a part of each load for a second, or until its bound is met, and of the figures only those that a busy machine cannot
// spoil.
const share: Readonly<Record<string, number>> = {
  'silent-connections': 0.15,
  'unfinished-handshakes': 0.15,
  'one-name-more': 0.2,
  'half-messages': 0.2,
  'large-nodes': 0.2,
  'not-reading-1000': 0.5,
  bombs: 0.05,
  'file-of-many-documents': 0.2,
  'file-of-many-objects': 0.2,
};

/**
 * Milliseconds that the event loop works at most while the canary's change is on its way, whatever peers do meanwhile. A machine that is busy
 * otherwise does not spoil it; one that is slow may take five times as long as is usual.
 */
const mostWork = 500;

let target: Target;
let canary: Canary;
before(async () => {
  target = await Target.start(50, { env: imageEnvironment() });
  canary = await Canary.start(target);
});
after(async () => {
  canary.close();
  if (target.alive) await target.stop();
});

for (const [name, { what, meets }] of attacksOn('folder')) {
  test(`${name}: ${what}`, async () => {
    const effort = {
      share: share[name] ?? 1,
      ...(meets ? { seconds: HANGING_MS / 1_000, upTo: meets } : { seconds: 1 }),
    };
    const { times, peak, met } = await tryAttack(target, canary, name, effort);
    assert.ok(target.alive, target.serve.log());
    assert.ok(times.length > 0, 'changes arrive meanwhile');
    assert.ok(peak < most, `${peak} MB`);
    const work = Math.max(...times.map(each => each.work));
    if (name in xdsAttacks || name in tlsAttacks)
      assert.ok(work < mostWork, `${work} ms of work before a change arrives`);
    if (meets)
      assert.ok(
        meets.some(bound => met.has(bound)),
        `met ${[...met]}, not ${meets}`,
      );
  });
}

test('what was said of every bound that was met fits on a page', () => {
  const lines = target.serve.log().split('\n');
  assert.ok(lines.length < 2_000, `${lines.length} lines`);
  for (const line of lines) assert.ok(line.length < 20_000, line.slice(0, 300));
});

test('SIGTERM ends all: calls that are not admitted with a status, the rest cut off', async () => {
  const address = target.serve.xds;
  const on = session(address);
  const { stream, status } = call(on);
  stream.write(Buffer.from([0, 0, 0, 1]));
  const peers = [new RawPeer(address), new RawPeer(address)];
  peers[0]?.beginHeaders();
  peers[1]?.send(frame(frames.HEADERS, 4, 1, callHeaders), frame(frames.DATA, 0, 1, Buffer.from([0])));
  await until('the connections', () => peers.every(({ socket }) => socket.bytesRead > 0));
  const stopped = target.stop();
  await until('its end', () => !target.alive);
  await stopped;
  assert.match(await status, /^14 the control plane is stopping/);
});

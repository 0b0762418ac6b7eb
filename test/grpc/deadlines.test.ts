import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { bounds } from '../../src/bounds.ts';
import type { Clock } from '../../src/clock.ts';
import type { Call } from '../../src/grpc/call.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import { status } from '../../src/grpc/status.ts';
import { call, callHeaders, frame, frames, RawPeer, session } from '../hostile/wire.ts';
import { framed } from '../support/grpc-frame.ts';
import { until } from '../support/until.ts';

/** A clock that goes when it is told to. */
class HeldClock implements Clock {
  #now = 0;
  readonly #waiting = new Map<() => void, number>();

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    this.#waiting.set(run, this.#now + ms);
    return () => void this.#waiting.delete(run);
  }

  /** A second after another, so that everything that waits for one has it. */
  async pass(ms: number): Promise<void> {
    for (const end = this.#now + ms; this.#now < end; ) {
      this.#now = Math.min(end, this.#now + 1_000);
      for (const [run, at] of [...this.#waiting]) if (at <= this.#now && this.#waiting.delete(run)) run();
      await new Promise(resolve => setImmediate(resolve));
    }
  }
}

/** A server that does with its calls what the test says. */
async function serving(begin: (call: Call) => void) {
  const clock = new HeldClock();
  const met: string[] = [];
  const calls: Call[] = [];
  const server = new GrpcServer({
    clock,
    onBound: bound => met.push(bound),
  });
  const methods = {
    '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources': (made: Call) => {
      calls.push(made);
      made.listen({ message: () => {}, end: () => {}, close: () => {} });
      begin(made);
    },
  };
  const address = `127.0.0.1:${await server.listen({ name: 'test', address: '127.0.0.1:0', methods })}`;
  after(() => server.stop(status.UNAVAILABLE, 'over', 0));
  return { clock, met, calls, server, address };
}

const first = bounds['first-request-ms'].most;
const half = framed(Buffer.alloc(100)).subarray(0, 50);

const silences: Readonly<Record<string, (peer: RawPeer) => void>> = {
  'asks for nothing': () => {},
  'never ends its headers': peer => peer.beginHeaders(),
  'never ends its first request': peer =>
    peer.send(frame(frames.HEADERS, 4, 1, callHeaders), frame(frames.DATA, 0, 1, half)),
};
for (const [what, say] of Object.entries(silences)) {
  test(`a connection that ${what} is closed`, async () => {
    const { clock, met, address } = await serving(() => {});
    const peer = new RawPeer(address);
    say(peer);
    await until('the connection', () => peer.socket.bytesRead > 0);
    await clock.pass(first - 1_000);
    assert.equal(peer.gone, false);
    await until('its end', async () => {
      await clock.pass(6_000);
      return peer.gone;
    });
    assert.deepEqual(met, ['first-request-ms']);
  });
}

test('a call that is not admitted ends with a status that says why, and others on its connection go on', async () => {
  const { clock, met, calls, address } = await serving(made => calls.length === 1 && made.admit());
  const on = session(address);
  const [one, other] = [call(on), call(on)];
  other.stream.write(half);
  await until('both', () => calls.length === 2);
  await clock.pass(first + 1_000);
  assert.match(await other.status, /^4 at most 10000 ms .*\(first-request-ms\)$/);
  assert.deepEqual(met, ['first-request-ms']);
  assert.equal(one.stream.closed, false);
  on.destroy();
});

test('a request that never ends ends its stream, one that waits for another does not', async () => {
  const { clock, met, calls, address } = await serving(made => made.admit());
  const on = session(address);
  const [slow, quiet] = [call(on), call(on)];
  slow.stream.write(half);
  quiet.stream.write(framed(Buffer.from('whole')));
  await until('the half request', () => calls.some(({ partialSince }) => partialSince !== undefined));
  await clock.pass(bounds['request-ms'].most + 1_000);
  assert.match(await slow.status, /^4 .*\(request-ms\)$/);
  assert.deepEqual(met, ['request-ms']);
  assert.equal(quiet.stream.closed, false);
  on.destroy();
});

for (const [known, bound] of [
  [false, 'first-response-ms'],
  [true, 'response-ms'],
] as const) {
  test(`a client that does not read is given ${bounds[bound].most} ms if it has ${known ? '' : 'not '}read before`, async () => {
    const { clock, met, calls, address } = await serving(made => {
      made.admit();
      made.known = known;
      made.write([framed(Buffer.alloc(1 << 20))], () => {});
    });
    const on = session(address);
    const [stuck, reading] = [call(on), call(on)];
    stuck.stream.pause();
    let read = 0;
    reading.stream.on('data', ({ length }: Buffer) => {
      read += length;
    });
    // What the other reads of the connection is a sign of life for as long as it comes.
    await until('all that is read', () => calls.length === 2 && read > 1 << 20);
    await clock.pass(1_000);
    await clock.pass(bounds[bound].most - 2_000);
    assert.deepEqual(met, []);
    await clock.pass(4_000);
    assert.equal(await stuck.status, 'cut');
    assert.deepEqual(met, [bound]);
    assert.equal(reading.stream.closed, false);
    on.destroy();
  });
}

test('all that is left is cut off once the time to stop is up', async () => {
  const { server, calls, address } = await serving(made => {
    made.admit();
    made.write([framed(Buffer.alloc(8 << 20))], () => {});
  });
  const { stream } = call(session(address));
  stream.pause();
  await until('its call', () => calls.length === 1);
  await server.stop(status.UNAVAILABLE, 'over', 50);
  await until('its end', () => stream.closed);
});

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { ChannelCredentials, Client } from '@grpc/grpc-js';
import { bounds } from '../../src/bounds.ts';
import type { Call } from '../../src/grpc/call.ts';
import type { Peer } from '../../src/grpc/peer.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import { status } from '../../src/grpc/status.ts';
import { ServerTls } from '../../src/tls.ts';
import { type Authority, authority, type KeyPair } from '../support/certificate.ts';
import { stillClock } from '../support/clock.ts';
import { framed } from '../support/grpc-frame.ts';
import { until } from '../support/until.ts';

const same = (bytes: Buffer): Buffer => bytes;
const [echo, other] = ['/a.Service/Echo', '/a.Service/Other'];

/** Answers each message with itself; says who called. */
const echoing =
  (peers: Peer[]) =>
  (call: Call): void => {
    peers.push(call.peer);
    call.admit();
    call.listen({
      message: bytes => call.write([framed(Buffer.from(bytes))], () => {}),
      end: () => call.end(status.OK, ''),
      close: () => {},
    });
  };

async function serverOf() {
  const met: string[] = [];
  const server = new GrpcServer({ clock: stillClock, onBound: bound => met.push(bound) });
  after(() => server.stop(status.UNAVAILABLE, 'over', 0));
  return { met, server };
}

/** Calls a method, and says how that ended. */
function calling(port: number, path: string, credentials = ChannelCredentials.createInsecure()) {
  const client = new Client(`localhost:${port}`, credentials);
  const call = client.makeBidiStreamRequest(path, same, same);
  const received: string[] = [];
  call.on('data', (bytes: Buffer) => received.push(bytes.toString()));
  call.on('error', () => {});
  const ended = new Promise<readonly [number, string]>(resolve => {
    call.on('status', ({ code, details }) => resolve([code, details]));
  });
  after(() => client.close());
  return { call, received, ended, client };
}

const serving = (authorities: readonly Authority[], { certificate, key }: KeyPair) => ({
  certificate,
  key,
  clientRoots: authorities.map(one => one.certificate),
});

test('each port serves what is its own', async () => {
  const { server } = await serverOf();
  const peers: Peer[] = [];
  const one = await server.listen({ name: 'one', address: '127.0.0.1:0', methods: { [echo]: echoing(peers) } });
  const two = await server.listen({
    name: 'two',
    address: '127.0.0.1:0',
    methods: { [echo]: echoing(peers), [other]: echoing(peers) },
  });
  for (const [port, path] of [[one, echo] as const, [two, echo] as const, [two, other] as const]) {
    const { call, received, ended } = calling(port, path);
    call.write(Buffer.from('x'));
    call.end();
    assert.deepEqual(await ended, [status.OK, '']);
    assert.deepEqual(received, ['x']);
  }
  assert.deepEqual(
    peers.map(({ port }) => port),
    ['one', 'two', 'two'],
  );
});

test('nothing is left of a call to what another port serves', { timeout: 3_600_000 }, async () => {
  const server = new GrpcServer({ clock: stillClock });
  const port = await server.listen({ name: 'one', address: '127.0.0.1:0', methods: {} });
  await server.listen({ name: 'two', address: '127.0.0.1:0', methods: { [echo]: echoing([]) } });
  const { call, ended } = calling(port, echo);
  call.write(Buffer.from('x'));
  assert.deepEqual(await ended, [status.UNIMPLEMENTED, `this port does not serve ${echo}`]);
  await server.stop(status.UNAVAILABLE, 'over', 2 ** 30);
});

test('over TLS: a client without a certificate, one with a good one, and those who are cut off', async () => {
  const { server } = await serverOf();
  const [ours, theirs] = await Promise.all([authority(), authority()]);
  const [mine, spiffe, forged] = await Promise.all([
    ours.issue('DNS:localhost'),
    ours.issue('URI:spiffe://cluster.local/ns/a/sa/b'),
    theirs.issue('URI:spiffe://cluster.local/ns/a/sa/b'),
  ]);
  const tls = new ServerTls('h2', serving([ours], mine));
  const peers: Peer[] = [];
  const methods = { [echo]: echoing(peers) };
  const port = await server.listen({ name: 'tls', address: '127.0.0.1:0', tls, methods });
  const as = (pair?: KeyPair) => ChannelCredentials.createSsl(ours.certificate, pair?.key, pair?.certificate);
  for (const pair of [undefined, spiffe]) {
    const { call, received, ended } = calling(port, echo, as(pair));
    call.write(Buffer.from('x'.repeat(100_000)));
    call.end();
    assert.deepEqual(await ended, [status.OK, '']);
    assert.equal(received[0]?.length, 100_000);
  }
  assert.deepEqual(
    peers.map(({ certificates }) => certificates[0]?.subjectAltName),
    [undefined, 'URI:spiffe://cluster.local/ns/a/sa/b'],
  );
  for (const credentials of [as(forged), ChannelCredentials.createInsecure()]) {
    const { call, ended } = calling(port, echo, credentials);
    call.end();
    assert.equal((await ended)[0], status.UNAVAILABLE);
  }
  assert.equal(peers.length, 2);
});

test('a certificate and roots that are replaced: streams go on, who comes then is shown the new ones and judged by them', async () => {
  const { server } = await serverOf();
  const [before, now] = await Promise.all([authority(), authority()]);
  const [first, second] = await Promise.all([before.issue('DNS:localhost'), now.issue('DNS:localhost')]);
  const client = await before.issue('URI:spiffe://cluster.local/ns/a/sa/b');
  const tls = new ServerTls('h2', serving([before], first));
  const methods = { [echo]: echoing([]) };
  const port = await server.listen({ name: 'tls', address: '127.0.0.1:0', tls, methods });
  const shown = (root: Authority, pair?: KeyPair) =>
    calling(port, echo, ChannelCredentials.createSsl(root.certificate, pair?.key, pair?.certificate));
  const long = shown(before, client);
  long.call.write(Buffer.from('1'));
  await until('an answer', () => long.received.length === 1);
  tls.replace(serving([now], second));
  const late = shown(now);
  late.call.end();
  assert.equal((await late.ended)[0], status.OK);
  const stale = shown(now, client);
  stale.call.end();
  assert.equal((await stale.ended)[0], status.UNAVAILABLE, 'its root is believed no more');
  long.call.write(Buffer.from('2'));
  await until('another answer', () => long.received.length === 2);
});

/** Opens connections from an address of this machine, a few at a time: what finds the queue of those to be accepted full comes much later. */
async function come(port: number, localAddress: string, count: number): Promise<{ readonly open: () => number }> {
  let [came, gone] = [0, 0];
  for (let i = 0; i < count; i++) {
    const socket = connect({ port, host: '127.0.0.1', localAddress }, () => came++).resume();
    socket.on('error', () => {}).on('close', () => gone++);
    after(() => socket.destroy());
    if (i % 100 === 99) await until('a hundred connections', () => came > i);
  }
  await until('all connections', () => came === count);
  return { open: () => came - gone };
}

test('connections that never finish their handshake are bounded', async () => {
  const { met, server } = await serverOf();
  const ours = await authority();
  const tls = new ServerTls('h2', serving([ours], await ours.issue('DNS:localhost')));
  const methods = { [echo]: echoing([]) };
  const port = await server.listen({ name: 'tls', address: '127.0.0.1:0', tls, methods });
  const most = bounds['silent-connections'].most;
  const theirs = await come(port, '127.0.0.1', most + 50);
  await until('the oldest to make room', () => met.length >= 50 && theirs.open() <= most);
  assert.deepEqual(new Set(met), new Set(['silent-connections']));
  const { call, received } = calling(port, echo, ChannelCredentials.createSsl(ours.certificate));
  call.write(Buffer.from('x'));
  await until('an answer for who does finish it', () => received.length === 1);
});

test('an address that takes all the room there is for silent connections takes none of another', async () => {
  const { met, server } = await serverOf();
  const port = await server.listen({ name: 'xds', address: '127.0.0.1:0', methods: { [echo]: echoing([]) } });
  const most = bounds['silent-connections'].most;
  const ours = await come(port, '127.0.0.3', 20);
  const theirs = await come(port, '127.0.0.2', most + 50);
  await until('room to be made', () => met.length >= 70 && theirs.open() === most - 20);
  assert.equal(ours.open(), 20);
  assert.deepEqual(new Set(met), new Set(['silent-connections']));
});

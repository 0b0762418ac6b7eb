import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ChannelCredentials, Client, compressionAlgorithms } from '@grpc/grpc-js';
import { type Call, http2StreamOf } from '../../src/grpc/call.ts';
import { status } from '../../src/grpc/status.ts';
import { servePort } from '../support/grpc-port.ts';

const path = '/a.Service/Method';
const same = (bytes: Buffer): Buffer => bytes;

/** A server whose method does what the test says; gives a call to it. */
async function callTo(method: (call: Call) => void, channel: Readonly<Record<string, number>> = {}) {
  const { port, stop } = await servePort({ [path]: method });
  const client = new Client(`127.0.0.1:${port}`, ChannelCredentials.createInsecure(), channel);
  const call = client.makeBidiStreamRequest(path, same, same);
  const received: string[] = [];
  call.on('data', (bytes: Buffer) => received.push(bytes.toString()));
  call.on('error', () => {});
  const ended = new Promise<readonly [number, string]>(resolve => {
    call.on('status', ({ code, details }) => resolve([code, details]));
  });
  after(async () => {
    client.close();
    await stop();
  });
  return { call, received, ended, port };
}

/** A frame in two buffers. */
const halves = (bytes: Buffer): readonly Buffer[] => [bytes.subarray(0, 3), bytes.subarray(3)];

test('messages arrive in order and are answered in order, the status after them', async () => {
  const written: string[] = [];
  const { call, received, ended } = await callTo(one => {
    one.admit();
    one.listen({
      message: bytes => one.write(halves(frame(`${bytes} too`)), () => written.push('done')),
      end: () => one.end(status.UNAVAILABLE, 'that was all: 100 %, ünd so weiter'),
      close: () => written.push('close'),
    });
  });
  call.write(Buffer.from('one'));
  call.write(Buffer.from('x'.repeat(300_000)));
  call.end();
  assert.deepEqual(await ended, [status.UNAVAILABLE, 'that was all: 100 %, ünd so weiter']);
  assert.deepEqual(received, ['one too', `${'x'.repeat(300_000)} too`]);
  assert.deepEqual(written.toSorted(), ['close', 'done', 'done']);
});

test('who sends faster than its messages are taken in waits, and no more of them is held than a little', async () => {
  let most = 0;
  const lengths: number[] = [];
  const { call, ended } = await callTo(one => {
    one.admit();
    const goOn = (): void => {
      most = Math.max(most, one.waiting);
      one.resume();
    };
    one.listen({
      message({ length }) {
        lengths.push(length);
        one.pause();
        setTimeout(goOn, 10);
      },
      end: () => one.end(status.OK, ''),
      close: () => {},
    });
  });
  for (let i = 0; i < 20; i++) call.write(Buffer.alloc(2_000_000 + i));
  call.end();
  assert.equal((await ended)[0], status.OK);
  assert.deepEqual(
    lengths,
    lengths.map((_, i) => 2_000_000 + i),
  );
  assert.equal(lengths.length, 20);
  assert.ok(most < 2_500_000, `${most} bytes waited`);
});

test('this grpc-js has the HTTP/2 stream of a call where we look for it', () => {
  assert.throws(() => http2StreamOf({ call: { stream: {} } }), /this version of grpc-js/);
  assert.throws(() => http2StreamOf(undefined), /this version of grpc-js/);
});

test('compressed messages are inflated, no further than the bound', async () => {
  for (const algorithm of [compressionAlgorithms.gzip, compressionAlgorithms.deflate]) {
    const lengths: number[] = [];
    const { call, ended } = await callTo(
      one => {
        one.heard();
        one.listen({ message: ({ length }) => void lengths.push(length), end: () => {}, close: () => {} });
      },
      { 'grpc.default_compression_algorithm': algorithm },
    );
    call.write(Buffer.alloc(4 << 20));
    call.write(Buffer.alloc((4 << 20) + 1));
    const [code, details] = await ended;
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    assert.match(details, /request-bytes/);
    assert.deepEqual(lengths, [4 << 20]);
  }
  assert.ok(gzipSync(Buffer.alloc(4 << 20)).length < 5_000, 'which is a small message');
});

function frame(text: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(text), 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

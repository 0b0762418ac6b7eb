import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compressionAlgorithms, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { StreamError } from '../../src/xds/connection.ts';
import { FrameCutter, type FrameReader, frameReader } from '../../src/xds/frame-reader.ts';
import { framed } from '../support/grpc-frame.ts';
import { serve } from './raw-server.ts';

/** `bytes` in chunks of these sizes, over and over. */
function* chunks(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

test('messages are cut out wherever the chunks end', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 20 }).map(bytes => Buffer.from(bytes)));
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sent, sizes) => {
      const received: Buffer[] = [];
      const cutter = new FrameCutter(20, message => received.push(message));
      for (const chunk of chunks(Buffer.concat(sent.map(framed)), sizes)) cutter.add(chunk);
      assert.deepEqual(received, sent);
    }),
  );
});

test('messages wait while the reader is paused, also those of a chunk that is here already', () => {
  const received: string[] = [];
  const cutter = new FrameCutter(20, message => {
    received.push(String(message));
    cutter.paused = true;
  });
  cutter.add(Buffer.concat(['one', 'two', 'three'].map(text => framed(Buffer.from(text)))));
  assert.deepEqual(received, ['one']);
  cutter.paused = false;
  cutter.add();
  assert.deepEqual(received, ['one', 'two']);
});

const refused: readonly [what: string, bytes: Buffer, code: status][] = [
  ['longer than allowed', framed(Buffer.alloc(21)), status.RESOURCE_EXHAUSTED],
  ['compressed though nothing says how', Buffer.from([1, 0, 0, 0, 0]), status.INTERNAL],
];
for (const [what, bytes, code] of refused) {
  test(`a message that is ${what} ends the stream`, () => {
    const cutter = new FrameCutter(20, () => assert.fail('nothing is to be received'));
    assert.throws(
      () => cutter.add(bytes),
      (error: unknown) => error instanceof StreamError && error.code === code,
    );
  });
}

for (const [path, options] of [
  ['http2', {}],
  ['grpc', { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip }],
] as const) {
  test(`messages arrive in order, and the end after them, by ${path}`, async () => {
    const events: string[] = [];
    const over = Promise.withResolvers<void>();
    let reader: FrameReader | undefined;
    const client = await serve(call => {
      reader = frameReader(call, 1_000, {
        message: bytes => void events.push(/anything|more/.exec(bytes.toString('latin1'))?.[0] ?? '?'),
        end: () => over.resolve(),
        fail: error => over.reject(error),
      });
    }, options);
    client.subscribe('more');
    client.end();
    await over.promise;
    assert.equal(reader?.path, path, 'by another way every request costs several times as much: see frame-reader.ts');
    assert.deepEqual(events, ['anything', 'more']);
  });
}

import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { Frames } from '../../src/xds/frame.ts';
import { frameWriter, http2StreamOf } from '../../src/xds/frame-writer.ts';
import { serve } from './raw-server.ts';

const frames = new Frames('pinned');
const frame = (name: string): Buffer =>
  frames.other('delta', name, [{ typeUrl: 't', name, value: Buffer.alloc(100_000) }], []).bytes;

test('this grpc-js has the HTTP/2 stream of a call where we look for it', async () => {
  const seen = Promise.withResolvers<object | undefined>();
  await serve(call => seen.resolve(http2StreamOf(call)));
  const found = (await seen.promise)?.constructor.name;
  assert.equal(
    found,
    'ServerHttp2Stream',
    'without it every stream costs a copy of every message: see frame-writer.ts',
  );
});

for (const path of ['http2', 'grpc'] as const) {
  test(`frames arrive in order, before the status, by ${path}`, async () => {
    const order: string[] = [];
    const client = await serve(call => {
      const hidden = new Proxy(call, {
        get: (target, key) => {
          const value: unknown = key === 'call' ? undefined : Reflect.get(target, key, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
      const writer = frameWriter(path === 'http2' ? call : hidden);
      assert.equal(writer.path, path);
      for (const name of ['one', 'two', 'three']) writer.write(frame(name), () => order.push(name));
      call.emit('error', { code: status.UNAVAILABLE, details: 'over' });
      writer.write(frame('late'), () => order.push('late'));
    });
    assert.deepEqual(await client.ended, { code: status.UNAVAILABLE, details: 'over' });
    assert.deepEqual(
      client.received.map(r => r.typeUrl),
      ['one', 'two', 'three'],
    );
    assert.deepEqual(order.toSorted(), ['late', 'one', 'three', 'two'], 'every write is settled');
  });
}

test('something else than a call of this grpc-js is written to by its own means', () => {
  assert.equal(http2StreamOf({ call: { stream: new PassThrough() } }), undefined);
  assert.equal(http2StreamOf({}), undefined);
  assert.equal(http2StreamOf(undefined), undefined);
});

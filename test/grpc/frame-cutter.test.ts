import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameCutter, type Message } from '../../src/grpc/frame-cutter.ts';
import { type Status, StatusError, status } from '../../src/grpc/status.ts';
import { framed } from '../support/grpc-frame.ts';

/** `bytes` in chunks of these sizes, over and over, each with so much else in one buffer before it, as what a socket reads at once is. */
function* chunks(bytes: Buffer, sizes: readonly number[], before: number): Generator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const part = bytes.subarray(at, at + (sizes[i % sizes.length] ?? bytes.length));
    const read = Buffer.alloc(before + part.length, 0xff);
    part.copy(read, before);
    yield read.subarray(before);
    assert.ok(
      read.subarray(0, before).every(byte => byte === 0xff),
      'what else was read is left alone',
    );
    at += part.length;
  }
}

function* taken(cutter: FrameCutter): Generator<Message> {
  for (let message = cutter.next(); message; message = cutter.next()) yield message;
}

const messages = fc.array(fc.uint8Array({ maxLength: 20_000 }).map(bytes => Buffer.from(bytes)));
const befores = fc.constantFrom(0, 9, 5_000);
const sizes = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1 });

test('messages are cut out wherever the chunks end, also when they are taken late', () => {
  fc.assert(
    fc.property(
      messages,
      sizes,
      befores,
      fc.array(fc.boolean(), { minLength: 1 }),
      (sent, chunkSizes, before, takes) => {
        const received: Buffer[] = [];
        let reserved = 0;
        const cutter = new FrameCutter(20_000, bytes => {
          reserved += bytes;
        });
        let i = 0;
        const take = (): void => {
          for (const { bytes } of taken(cutter)) received.push(Buffer.from(bytes));
        };
        for (const chunk of chunks(Buffer.concat(sent.map(framed)), chunkSizes, before)) {
          cutter.add(chunk);
          if (takes[i++ % takes.length]) take();
          cutter.keep();
          assert.ok(
            reserved <= Math.max(4096, 4 * cutter.waiting + 4 * chunk.length),
            `${reserved} for ${cutter.waiting}`,
          );
        }
        take();
        cutter.keep();
        assert.deepEqual(received, sent);
        assert.equal(reserved, 0, 'nothing is kept');
      },
    ),
  );
});

test('a small chunk that waits is kept as it is, and costs all that it came in; a part of a large one is copied', () => {
  for (const [before, kept] of [
    [100, true],
    [5_000, false],
  ] as const) {
    let reserved = 0;
    const cutter = new FrameCutter(1_000, bytes => {
      reserved += bytes;
    });
    const [chunk = Buffer.alloc(0)] = chunks(framed(Buffer.alloc(80, 'x')), [85], before);
    cutter.add(chunk);
    cutter.keep();
    assert.equal(cutter.rest.buffer === chunk.buffer, kept);
    assert.equal(reserved, kept ? before + 85 : 4_096);
    assert.equal(cutter.next()?.bytes.toString(), 'x'.repeat(80));
    cutter.keep();
    assert.equal(reserved, 0);
  }
});

test('a length costs nothing until its bytes arrive, and bytes that come one by one cost one each', () => {
  let reserved = 0;
  let most = 0;
  const cutter = new FrameCutter(1 << 22, bytes => {
    reserved += bytes;
    most = Math.max(most, reserved);
  });
  const length = 300_000;
  const bytes = framed(Buffer.alloc(length, 'x'));
  for (let at = 0; at < bytes.length; at++) {
    cutter.add(bytes.subarray(at, at + 1));
    if (at < bytes.length - 1) assert.equal(cutter.next(), undefined);
    cutter.keep();
    if (at === 10_000) assert.ok(reserved <= 20_480);
  }
  assert.equal(cutter.next()?.bytes.length, length);
  assert.ok(most <= bytes.length, `${most}`);
});

const refused: readonly [what: string, bytes: Buffer, code: Status][] = [
  ['longer than allowed', framed(Buffer.alloc(21)), status.RESOURCE_EXHAUSTED],
  ['no frame', Buffer.from([2, 0, 0, 0, 0]), status.INTERNAL],
];
for (const [what, bytes, code] of refused) {
  test(`a message that is ${what} is an error`, () => {
    const cutter = new FrameCutter(20);
    cutter.add(bytes);
    assert.throws(
      () => cutter.next(),
      (error: unknown) => error instanceof StatusError && error.code === code,
    );
  });
}

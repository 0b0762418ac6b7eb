import type { ServerHttp2Stream } from 'node:http2';
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';

/** Writes frames to one gRPC call, in order. */
export interface FrameWriter {
  /** How frames reach the socket. */
  readonly path: 'http2' | 'grpc';
  /** `done` is called once the frame has left this process, which a client that does not read delays, or cannot leave it any more. */
  write(frame: Buffer, done: () => void): void;
}

/** A call whose messages are bytes. */
export type RawCall = ServerDuplexStream<Buffer, Buffer>;

/** A property of something that may not be an object. */
export const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

const isHttp2Stream = (value: unknown): value is ServerHttp2Stream =>
  ['write', 'respond', 'end'].every(name => typeof field(value, name) === 'function') &&
  typeof field(value, 'session') === 'object';

/**
 * The HTTP/2 stream behind a call. grpc-js does not give it out: `call.call.stream` is where 1.14 has it, a test pins that, and where it is
 * not there the call itself is written to.
 */
export function http2StreamOf(call: unknown): ServerHttp2Stream | undefined {
  const stream = field(field(call, 'call'), 'stream');
  return isHttp2Stream(stream) ? stream : undefined;
}

/**
 * A writer for a call. grpc-js copies every message once for each stream it is written to; on the HTTP/2 stream itself, all streams write
 * the same buffer.
 */
export function frameWriter(call: RawCall): FrameWriter {
  const stream = http2StreamOf(call);
  if (!stream) {
    return {
      path: 'grpc',
      write(frame, done) {
        if (call.destroyed || call.writableEnded) process.nextTick(done);
        else call.write(frame.subarray(5), () => done());
      },
    };
  }
  let headed = false;
  return {
    path: 'http2',
    write(frame, done) {
      if (stream.destroyed || stream.closed || stream.writableEnded) return void process.nextTick(done);
      // grpc-js must know that headers went out, or it would end the call without a body.
      if (!headed) call.sendMetadata(new Metadata());
      headed = true;
      stream.write(frame, () => done());
    },
  };
}

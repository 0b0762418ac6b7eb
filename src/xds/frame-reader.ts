import type { ServerHttp2Stream } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { StreamError } from './connection.ts';
import { field, http2StreamOf, type RawCall } from './frame-writer.ts';

/** What becomes of a call's messages. */
export interface FrameListener {
  message(bytes: Buffer): void;
  /** The client sends no more. */
  end(): void;
  /** What arrives is no message. */
  fail(error: StreamError): void;
}

/** Reads the messages of one gRPC call, in order, from the moment that it is made. */
export interface FrameReader {
  /** How frames come from the socket. */
  readonly path: 'http2' | 'grpc';
  pause(): void;
  resume(): void;
}

const HEAD = 5;

/** Cuts a stream of chunks into gRPC messages: a byte that says whether it is compressed, four of its length, and the message. */
export class FrameCutter {
  readonly #longest: number;
  readonly #onMessage: (message: Buffer) => void;
  #parts: Buffer[] = [];
  #size = 0;
  /** So many bytes are worth looking at: the head of a message, or all of it once the head has been read. */
  #needed = HEAD;
  /** Whether messages wait; to be set back before `add` is called again. */
  paused = false;

  /** Messages of more than `longest` bytes are an error. */
  constructor(longest: number, onMessage: (message: Buffer) => void) {
    this.#longest = longest;
    this.#onMessage = onMessage;
  }

  /** Throws a StreamError where the bytes are no frames. Without a chunk what waited goes on. */
  add(chunk?: Buffer): void {
    if (chunk) {
      this.#parts.push(chunk);
      this.#size += chunk.length;
    }
    while (this.#size >= this.#needed && !this.paused) {
      const bytes = this.#joined();
      const length = bytes.readUInt32BE(1);
      if (bytes[0] !== 0) throw new StreamError(status.INTERNAL, 'a compressed message without grpc-encoding');
      if (length > this.#longest) {
        throw new StreamError(
          status.RESOURCE_EXHAUSTED,
          `a message of ${length} bytes; at most ${this.#longest} are read`,
        );
      }
      const end = HEAD + length;
      this.#needed = end;
      if (bytes.length < end) return;
      this.#parts = bytes.length > end ? [bytes.subarray(end)] : [];
      this.#size -= end;
      this.#needed = HEAD;
      this.#onMessage(bytes.subarray(HEAD, end));
    }
  }

  #joined(): Buffer {
    const [first] = this.#parts;
    if (first && this.#parts.length === 1) return first;
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [bytes];
    return bytes;
  }
}

/** The HTTP/2 stream of a call whose messages are not compressed. */
function plainStreamOf(call: RawCall): ServerHttp2Stream | undefined {
  return field(field(call, 'call'), 'incomingEncoding') === 'identity' ? http2StreamOf(call) : undefined;
}

/**
 * A reader for a call. grpc-js takes each message through a promise, a queue and an object stream, at several times the cost of reading the
 * frames from the HTTP/2 stream itself; a compressed call, and one whose stream is not where we look for it, is read by grpc-js.
 */
export function frameReader(call: RawCall, longest: number, listener: FrameListener): FrameReader {
  const stream = plainStreamOf(call);
  if (!stream) {
    call.on('data', (bytes: Buffer) => listener.message(bytes));
    call.once('end', () => listener.end());
    return { path: 'grpc', pause: () => call.pause(), resume: () => call.resume() };
  }
  const cutter = new FrameCutter(longest, message => listener.message(message));
  const cut = (chunk?: Buffer): void => {
    try {
      cutter.add(chunk);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      listener.fail(error);
    }
  };
  // grpc-js listens already, and would keep what it is given until somebody reads its own stream.
  stream.removeAllListeners('data');
  stream.on('data', cut);
  stream.once('end', () => listener.end());
  stream.resume();
  return {
    path: 'http2',
    pause() {
      cutter.paused = true;
      stream.pause();
    },
    resume() {
      cutter.paused = false;
      cut();
      if (!cutter.paused) stream.resume();
    },
  };
}

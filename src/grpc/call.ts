import type { ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { gunzipSync, inflateSync } from 'node:zlib';
import { Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { bounds } from '../bounds.ts';
import { FrameCutter, type Message } from './frame-cutter.ts';
import type { Peer } from './peer.ts';
import { BoundError, type Status, StatusError, status } from './status.ts';
import type { Transport } from './transport.ts';

/** A call of grpc-js whose messages are bytes. */
export type RawCall = ServerDuplexStream<Buffer, Buffer>;

/** What becomes of a call's messages. */
export interface CallListener {
  /** A message, which is valid until this returns. What it throws ends the call. */
  message(bytes: Buffer): void;
  /** More than a first request may have has arrived, and no message: its beginning. */
  beginning?(bytes: Buffer): void;
  /** The client sends no more. */
  end(): void;
  /** The call is over, whoever ended it. Called once. */
  close(): void;
}

const FIRST = bounds['first-request-bytes'].most;
const LONGEST = bounds['request-bytes'].most;
const HEAD = 5;
/** Milliseconds for the last words of a call that has been ended. */
const LAST_WORDS = 5_000;
/** Milliseconds after which a response has not been read, whatever else was on the connection. */
const LONGEST_READ = 300_000;

const inflaters: Readonly<Record<string, (bytes: Buffer, options: { readonly maxOutputLength: number }) => Buffer>> = {
  gzip: gunzipSync,
  deflate: inflateSync,
};

/** A property of something that may not be an object. */
const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

const isHttp2Stream = (value: unknown): value is ServerHttp2Stream =>
  ['write', 'respond', 'end'].every(name => typeof field(value, name) === 'function') &&
  typeof field(value, 'session') === 'object';

/**
 * The HTTP/2 stream behind a call. grpc-js does not give it out: `call.call.stream` is where 1.14 has it, and a test pins that. Throws where it is not.
 *
 * grpc-js copies each message once for every stream that it is written to, and takes what arrives through a promise, a queue and an object stream;
 * on the stream itself all write one buffer, and what arrives is bounded before anything is made of it.
 */
export function http2StreamOf(call: unknown): ServerHttp2Stream {
  const stream = field(field(call, 'call'), 'stream');
  if (!isHttp2Stream(stream)) throw new Error('this version of grpc-js has the HTTP/2 stream of a call elsewhere');
  return stream;
}

/** A status is a header: clients refuse long ones, and with them the status. */
const LONGEST_STATUS = 1_024;

/** Bytes of the headers of a call, as far as grpc-js keeps them. */
const sizeOf = (metadata: Metadata): number =>
  Object.entries(metadata.getMap()).reduce((size, [name, value]) => size + name.length + value.length, 0);

/** A call whose client waits to be let in. */
export type Waiting = Pick<Call, 'over' | 'admit'>;

/** One gRPC call, read from and written to the HTTP/2 stream beneath it. grpc-js begins it and says how it ended. */
export class Call {
  readonly transport: Transport;
  readonly since: number;
  /** Whether the client is known to read: it has acknowledged something. */
  known = false;
  inLine = false;
  readonly #raw: RawCall;
  readonly #stream: ServerHttp2Stream;
  readonly #cutter: FrameCutter;
  #listener: CallListener | undefined;
  #headerBytes = 0;
  #frames = 0;
  #bytes = 0;
  #headed = false;
  #held = false;
  #heard = false;
  #admitted = false;
  #endedAt: number | undefined;
  /** Messages that are on their way out, since when there is one, and when it was last seen that the client reads. */
  #writing = 0;
  #writingSince = 0;
  #readAt = 0;
  #bytesWritten = 0;
  #clientEnded = false;
  #deferred: (() => void) | undefined;
  #closed = false;
  /** When the message that is on its way in began; undefined if none is. */
  #partialSince: number | undefined;

  constructor(raw: RawCall, transport: Transport) {
    this.transport = transport;
    this.since = transport.now();
    this.#raw = raw;
    this.#stream = http2StreamOf(raw);
    this.#cutter = new FrameCutter(LONGEST, bytes => this.#reserve(bytes));
  }

  /** Who calls, as far as the connection and the headers say. Until the call is admitted: what it has shown is not kept. */
  get peer(): Peer {
    const { transport } = this;
    return {
      address: transport.address,
      port: transport.port,
      header: name => this.#metadata.get(name).map(String),
      certificates: transport.certificates,
    };
  }

  get #metadata(): Metadata {
    return this.#raw.metadata;
  }

  /** Begins to read. */
  listen(listener: CallListener): void {
    this.#listener = listener;
    const stream = this.#stream;
    // grpc-js listens already, and would keep what it is given until somebody reads its own stream.
    stream.removeAllListeners('data');
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.once('end', () => {
      this.#clientEnded = true;
      this.transport.turns.run(this);
    });
    stream.once('close', () => this.#close());
    stream.resume();
    this.#headerBytes = sizeOf(this.#metadata);
    try {
      this.#reserve(this.#headerBytes);
    } catch (error) {
      this.#headerBytes = 0;
      this.fail(error);
    }
  }

  /** Whether nothing more can be sent. */
  get over(): boolean {
    return this.#endedAt !== undefined || this.#closed;
  }

  get admitted(): boolean {
    return this.#admitted;
  }

  /** Bytes of requests that have not been read yet, and of headers. */
  get waiting(): number {
    return this.#cutter.waiting + this.#headerBytes;
  }

  /** When the request that is on its way in began; undefined if none is. */
  get partialSince(): number | undefined {
    return this.#partialSince;
  }

  /** It is known who calls: a request may be as long as any. */
  heard(): void {
    this.#heard = true;
  }

  /** The call is served. */
  admit(): void {
    if (this.#admitted || this.over) return;
    this.#heard = true;
    this.#admitted = true;
    this.#forgetHeaders();
    this.transport.admitted();
  }

  /** Whether something is left to do with the last message. */
  get begun(): boolean {
    return this.#deferred !== undefined;
  }

  /** Does something with a message when it is the call's turn again, before the next message. */
  defer(work: () => void): void {
    this.#deferred = work;
  }

  /** Messages wait. */
  pause(): void {
    this.#held = true;
  }

  /** Messages go on. */
  resume(): void {
    this.#held = false;
    this.transport.turns.run(this);
  }

  /** Writes a framed message. `done` is called once it has left this process, which a client that does not read delays, or cannot any more. */
  write(frame: readonly Buffer[], done: () => void): void {
    const stream = this.#stream;
    if (this.over || stream.destroyed || stream.closed) return void process.nextTick(done);
    this.#respond();
    if (this.#writing++ === 0) this.#writingSince = this.#readAt = this.transport.now();
    const written = (): void => {
      this.#writing--;
      done();
    };
    const last = frame.length - 1;
    if (last > 0) stream.cork();
    frame.forEach((buffer, i) => void stream.write(buffer, i === last ? written : undefined));
    if (last > 0) stream.uncork();
  }

  /** Ends the call with a status, once what was written has gone out. */
  end(code: Status, message: string): void {
    if (this.over) return;
    this.#endedAt = this.transport.now();
    const stream = this.#stream;
    this.#stopReading();
    // A client that has not said its last is told to stop: https://www.rfc-editor.org/rfc/rfc9113#section-8.1-10
    // Node hands the status to the socket when the event loop comes round, and would drop it if the stream were closed before.
    const stop = (): void => {
      setImmediate(() => setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR)));
    };
    if (this.#headed) stream.once('wantTrailers', stop);
    else this.#raw.once('finish', stop);
    this.#raw.emit('error', { code, details: message.slice(0, LONGEST_STATUS).toWellFormed() });
    this.#tellClosed();
  }

  /** Ends a call whose listener, or client, did what it must not. */
  fail(error: unknown): void {
    if (error instanceof BoundError) this.transport.met(error.bound);
    if (error instanceof StatusError) this.end(error.code, error.message);
    else this.end(status.INTERNAL, 'internal error');
  }

  /** Cuts off the stream without another word. */
  cut(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
  }

  /** Ends the call, or cuts it off, if something has been waited for for too long. */
  check(now: number): void {
    if (this.#endedAt !== undefined) {
      if (now - this.#endedAt >= LAST_WORDS) this.cut();
      return;
    }
    const { partialSince } = this;
    if (!this.admitted && now - this.since >= bounds['first-request-ms'].most)
      this.fail(new BoundError('first-request-ms'));
    else if (partialSince !== undefined && now - partialSince >= bounds['request-ms'].most)
      this.fail(new BoundError('request-ms'));
    else this.#checkReading(now);
  }

  #checkReading(now: number): void {
    const { bytesWritten } = this.transport;
    if (this.#writing === 0) this.#readAt = now;
    else if (bytesWritten !== this.#bytesWritten && now - this.#writingSince < LONGEST_READ) this.#readAt = now;
    this.#bytesWritten = bytesWritten;
    const name = this.known ? 'response-ms' : 'first-response-ms';
    if (now - this.#readAt < bounds[name].most) return;
    this.fail(new BoundError(name));
    // Its last words would wait behind what is not read.
    this.cut();
  }

  /** One message, if it may be read now. */
  step(): boolean {
    if (this.over || this.#held) return false;
    try {
      const deferred = this.#deferred;
      if (deferred) {
        this.#deferred = undefined;
        deferred();
        return true;
      }
      const message = this.#cutter.next();
      if (message) {
        this.#partialSince = undefined;
        this.#listener?.message(this.#inflated(message));
        this.#regulate();
        return true;
      }
      this.#cutter.keep();
    } catch (error) {
      this.fail(error);
      return false;
    }
    if (this.#cutter.waiting > 0) this.#partialSince ??= this.transport.now();
    if (this.#clientEnded) this.#listener?.end();
    this.#clientEnded = false;
    return false;
  }

  #receive(chunk: Buffer): void {
    if (this.over) return;
    const stream = this.#stream;
    try {
      this.#frames++;
      this.#bytes += chunk.length;
      if (this.#frames > bounds['request-frames'].most + this.#bytes / 32) {
        this.transport.met('request-frames');
        // The next frames are here already, and each would cost as much again: the stream must be gone at once, and there are no last words.
        stream.destroy();
        this.transport.cut();
        return;
      }
      this.#cutter.add(chunk);
      this.transport.turns.run(this);
      if (this.over) return;
      this.#cutter.keep();
      this.#weigh();
      this.#regulate();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Lets the client wait while requests wait for their turn: who sends them faster than they are taken in is slowed, and not ended. */
  #regulate(): void {
    if (this.over) return;
    if (this.#cutter.waiting > FIRST && this.#cutter.ready) this.#stream.pause();
    else if (this.#stream.isPaused()) this.#stream.resume();
  }

  #weigh(): void {
    const { waiting } = this.#cutter;
    if (waiting > LONGEST + HEAD) throw new BoundError('request-bytes', `${waiting} bytes wait`);
    if (this.#heard || waiting <= FIRST) return;
    this.#listener?.beginning?.(this.#cutter.rest.subarray(HEAD));
    if (!this.#heard) throw new BoundError('first-request-bytes');
  }

  #inflated({ compressed, bytes }: Message): Buffer {
    if (!compressed) return bytes;
    const encoding = field(field(this.#raw, 'call'), 'incomingEncoding');
    const inflate = typeof encoding === 'string' ? inflaters[encoding] : undefined;
    if (!inflate)
      throw new StatusError(status.UNIMPLEMENTED, `requests compressed by ${encoding}; gzip and deflate are read`);
    try {
      return inflate(bytes, { maxOutputLength: this.#heard ? LONGEST : FIRST });
    } catch (error) {
      if (error instanceof RangeError)
        throw new BoundError(this.#heard ? 'request-bytes' : 'first-request-bytes', 'a compressed message');
      throw new StatusError(status.INTERNAL, 'a compressed message cannot be inflated');
    }
  }

  #respond(): void {
    if (this.#headed) return;
    this.#headed = true;
    // grpc-js must know that headers went out, or it would end the call without a body.
    this.#raw.sendMetadata(new Metadata());
  }

  #reserve(bytes: number): void {
    const { requests } = this.transport;
    let met = requests.take(bytes);
    if (met === 'process-request-bytes' && this.transport.makeRoom()) met = requests.take(bytes);
    if (met) throw new BoundError(met);
  }

  #forgetHeaders(): void {
    for (const name of Object.keys(this.#metadata.getMap())) this.#metadata.remove(name);
    this.#reserve(-this.#headerBytes);
    this.#headerBytes = 0;
  }

  #stopReading(): void {
    this.#deferred = undefined;
    this.transport.turns.remove(this);
    this.#cutter.close();
    this.#forgetHeaders();
    this.#stream.removeAllListeners('data');
    this.#stream.resume();
  }

  #close(): void {
    this.#stopReading();
    this.#closed = true;
    this.transport.closed(this);
    this.#tellClosed();
  }

  #tellClosed(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.close();
  }
}

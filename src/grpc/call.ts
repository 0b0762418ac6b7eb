import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { gunzipSync, inflateSync } from 'node:zlib';
import { bounds } from '../bounds.ts';
import { FrameCutter, type Message } from './frame-cutter.ts';
import { BoundError, type Status, StatusError, status } from './status.ts';
import type { Transport } from './transport.ts';

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

const inflaters: Readonly<Record<string, typeof gunzipSync>> = { gzip: gunzipSync, deflate: inflateSync };

const head = {
  ':status': 200,
  'content-type': 'application/grpc+proto',
  'grpc-accept-encoding': 'identity,gzip,deflate',
};

/** A status is a header: clients refuse long ones, and with them the status. */
const LONGEST_STATUS = 1_024;

/** As `encodeURIComponent` does, but readable: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses */
const percent = (text: string): string => encodeURI(text.slice(0, LONGEST_STATUS).toWellFormed());

/** Answers an HTTP/2 stream that is no call with nothing but a status. */
export function refuse(stream: ServerHttp2Stream, code: Status, message: string): void {
  stream.respond({ ...head, 'grpc-status': code, 'grpc-message': percent(message) }, { endStream: true });
}

/** One gRPC call: an HTTP/2 stream whose messages are bytes. */
export class Call {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly transport: Transport;
  readonly since: number;
  /** Whether the client is known to read: it has acknowledged something. */
  known = false;
  readonly #stream: ServerHttp2Stream;
  readonly #cutter: FrameCutter;
  #listener: CallListener | undefined;
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
  #closed = false;
  /** When the message that is on its way in began; undefined if none is. */
  #partialSince: number | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, transport: Transport) {
    this.path = headers[':path'] ?? '';
    this.headers = headers;
    this.transport = transport;
    this.since = transport.now();
    this.#stream = stream;
    this.#cutter = new FrameCutter(LONGEST, bytes => {
      let met = transport.requests.take(bytes);
      if (met === 'process-request-bytes' && transport.makeRoom()) met = transport.requests.take(bytes);
      if (met) throw new BoundError(met);
    });
  }

  /** Begins to read. */
  listen(listener: CallListener): void {
    this.#listener = listener;
    const stream = this.#stream;
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.once('end', () => {
      this.#clientEnded = true;
      this.transport.turns.run(this);
    });
    stream.once('close', () => this.#close());
    // Whatever breaks a stream also closes it.
    stream.on('error', () => {});
  }

  /** Whether nothing more can be sent. */
  get over(): boolean {
    return this.#endedAt !== undefined || this.#closed;
  }

  get admitted(): boolean {
    return this.#admitted;
  }

  /** Bytes of requests that have not been read yet. */
  get waiting(): number {
    return this.#cutter.waiting;
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
    this.transport.admitted(this);
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
  write(frame: Buffer, done: () => void): void {
    const stream = this.#stream;
    if (this.over || stream.destroyed || stream.closed) return void process.nextTick(done);
    this.#respond();
    if (this.#writing++ === 0) this.#writingSince = this.#readAt = this.transport.now();
    stream.write(frame, () => {
      this.#writing--;
      done();
    });
  }

  /** Ends the call with a status, once what was written has gone out. */
  end(code: Status, message: string): void {
    if (this.over) return;
    this.#endedAt = this.transport.now();
    const stream = this.#stream;
    this.#stopReading();
    if (!stream.destroyed && !stream.closed) {
      const trailers = { 'grpc-status': code, 'grpc-message': percent(message) };
      // A client that has not said its last is told to stop: https://www.rfc-editor.org/rfc/rfc9113#section-8.1-10
      const stop = (): void => void setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR));
      if (this.#headed) {
        stream.once('wantTrailers', () => {
          stream.sendTrailers(trailers);
          stop();
        });
        stream.end();
      } else {
        refuse(stream, code, message);
        stop();
      }
    }
    this.#tellClosed();
  }

  /** Ends a call whose listener, or client, did what it must not. */
  fail(error: unknown): void {
    if (error instanceof BoundError) this.transport.met(error.bound, this);
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
      const message = this.#cutter.next();
      if (message) {
        this.#partialSince = undefined;
        this.#listener?.message(this.#inflated(message));
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
    try {
      this.#frames++;
      this.#bytes += chunk.length;
      if (this.#frames > bounds['request-frames'].most + this.#bytes / 32) {
        this.fail(new BoundError('request-frames'));
        // Frames for a stream that is closed cost nearly as much.
        this.transport.cut();
        return;
      }
      this.#cutter.add(chunk);
      this.transport.turns.run(this);
      if (this.over) return;
      this.#cutter.keep();
      this.#weigh();
    } catch (error) {
      this.fail(error);
    }
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
    const encoding = this.headers['grpc-encoding'];
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
    this.#stream.respond(head, { waitForTrailers: true });
  }

  #stopReading(): void {
    this.transport.turns.remove(this);
    this.#cutter.close();
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

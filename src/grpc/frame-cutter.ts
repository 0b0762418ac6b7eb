import { BoundError, StatusError, status } from './status.ts';

/** A message as it was framed. */
export interface Message {
  readonly compressed: boolean;
  /** A part of a buffer that is used again: valid until the next call of the cutter. */
  readonly bytes: Buffer;
}

const HEAD = 5;
/** What has arrived of a message is given so many times its room. */
const GROWTH = 4;
/** The first buffer for a message that comes in pieces. */
const SMALLEST = 4 * 1024;

/**
 * Cuts a stream of chunks into gRPC messages: a byte that says whether it is compressed, four of its length, and the message.
 *
 * A chunk that begins where a message begins is not copied, and where it came in a small buffer it waits in that. What is left of others, and
 * messages that come in pieces, are copied into one buffer that grows as they arrive: a piece of one byte costs one byte, and the length that a
 * message claims costs nothing.
 */
export class FrameCutter {
  readonly #longest: number;
  readonly #reserve: (bytes: number) => void;
  #buffer: Buffer | undefined;
  #at = 0;
  #end = 0;
  /** Bytes that the buffer takes; 0 for a chunk that nobody has decided to keep yet. */
  #reserved = 0;

  /**
   * Messages of more than `longest` bytes are an error. `reserve` is told how many bytes the buffer that is kept grows by, or
   * shrinks by where negative, before it does; it throws where that is too much.
   */
  constructor(longest: number, reserve: (bytes: number) => void = () => {}) {
    this.#longest = longest;
    this.#reserve = reserve;
  }

  /** Bytes that have not been taken as messages. */
  get waiting(): number {
    return this.#end - this.#at;
  }

  /** Whether `next` has something to tell. */
  get ready(): boolean {
    const { waiting } = this;
    if (!this.#buffer || waiting < HEAD) return false;
    const length = this.#buffer.readUInt32BE(this.#at + 1);
    return length > this.#longest || waiting >= HEAD + length;
  }

  /** What waits, in order, valid until the next call. */
  get rest(): Buffer {
    return this.#buffer?.subarray(this.#at, this.#end) ?? Buffer.alloc(0);
  }

  /** Takes a chunk in, which nobody else writes to. `keep` must be called before the next is there. */
  add(chunk: Buffer): void {
    if (this.waiting === 0) {
      this.#drop();
      this.#buffer = chunk;
      this.#end = chunk.length;
      return;
    }
    this.#grow(chunk.length);
    chunk.copy(this.#buffer as Buffer, this.#end);
    this.#end += chunk.length;
  }

  /** The next message that is whole; undefined if there is none. Throws a StatusError where what comes next is too long. */
  next(): Message | undefined {
    const { waiting } = this;
    if (!this.#buffer || waiting < HEAD) return undefined;
    const length = this.#buffer.readUInt32BE(this.#at + 1);
    if (length > this.#longest) throw new BoundError('request-bytes', `a message of ${length} bytes`);
    const flag = this.#buffer[this.#at];
    if (flag !== 0 && flag !== 1) throw new StatusError(status.INTERNAL, `a frame that begins with ${flag}`);
    if (waiting < HEAD + length) return undefined;
    const start = this.#at + HEAD;
    this.#at = start + length;
    return { compressed: flag === 1, bytes: this.#buffer.subarray(start, this.#at) };
  }

  /** Keeps what is left of the last chunk, and no more than that. */
  keep(): void {
    if (this.waiting === 0) this.#drop();
    else if (this.#buffer && this.#reserved === 0) this.#hold(this.#buffer);
  }

  /** Lets go of everything. */
  close(): void {
    this.#at = this.#end = 0;
    this.#drop();
  }

  #drop(): void {
    if (this.#reserved > 0) this.#reserve(-this.#reserved);
    this.#buffer = undefined;
    this.#reserved = 0;
    this.#at = this.#end = 0;
  }

  /** Keeps a chunk as it is where all that it is a part of takes no more than a copy would: after a push a thousand ACKs wait for a moment. */
  #hold(chunk: Buffer): void {
    const size = chunk.buffer.byteLength;
    if (size > SMALLEST) {
      this.#grow(0);
      return;
    }
    this.#reserve(size);
    this.#reserved = size;
  }

  /** Makes room for so many bytes more, in a buffer of the cutter's own. */
  #grow(more: number): void {
    const { rest } = this;
    const capacity = this.#reserved > 0 ? (this.#buffer?.length ?? 0) : 0;
    const needed = rest.length + more;
    if (this.#end + more <= capacity) return;
    if (needed * 2 > capacity) {
      const ample = Math.max(needed * GROWTH, SMALLEST);
      const announced = rest.length < HEAD ? SMALLEST : Math.max(HEAD + rest.readUInt32BE(1), SMALLEST);
      // What comes after the message is not announced.
      const size = needed > announced ? Math.max(needed + (needed >> 2), SMALLEST) : Math.min(ample, announced);
      this.#reserve(size - this.#reserved);
      this.#buffer = Buffer.allocUnsafeSlow(size);
      this.#reserved = size;
    }
    // Within one buffer too, copying takes care of what overlaps.
    rest.copy(this.#buffer as Buffer);
    this.#at = 0;
    this.#end = rest.length;
  }
}

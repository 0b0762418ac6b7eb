import { bounds } from '../bounds.ts';
import { BoundError } from '../grpc/status.ts';
import type { Frame } from './frame.ts';

/** A stream, as far as this needs to know it. */
interface Reader {
  readonly known: boolean;
  /** Since when a response has been on its way to it, in milliseconds of the server's clock. */
  readonly writingSince: number | undefined;
  fail(error: BoundError): void;
}

/** Milliseconds after which a client that reads would have read. */
const SOON = 1_000;
/** Milliseconds between two looks for those that do not read. */
const EVERY = 100;

/**
 * What has been sent and not been read. Equal streams are sent the same buffers, so that what is kept are the distinct ones: those that do not
 * read hold old ones. Where that is too much, or there are too many who never acknowledged anything, those are ended that have not read for longest.
 */
export class Unread<R extends Reader> {
  readonly #buffers = new Map<Buffer, number>();
  /** Those that were sent something and have acknowledged nothing, the first to be sent something first. */
  readonly #unproven = new Map<R, number>();
  readonly #readers: Iterable<R>;
  readonly #now: () => number;
  #bytes = 0;
  #looked = 0;

  constructor(readers: Iterable<R>, now: () => number) {
    this.#readers = readers;
    this.#now = now;
  }

  /** Bytes of the distinct responses. */
  get bytes(): number {
    return this.#bytes;
  }

  sending(reader: R, frame: Frame): void {
    for (const buffer of frame.buffers) {
      const holders = this.#buffers.get(buffer) ?? 0;
      this.#buffers.set(buffer, holders + 1);
      if (holders === 0) this.#bytes += buffer.length;
    }
    const now = this.#now();
    if (!reader.known && !this.#unproven.has(reader)) this.#unproven.set(reader, now);
    this.#endUnproven(now);
    if (this.#bytes > bounds['process-response-bytes'].most && now - this.#looked >= EVERY) this.#endStalled(now);
  }

  sent(frame: Frame): void {
    for (const buffer of frame.buffers) {
      const holders = this.#buffers.get(buffer) ?? 0;
      if (holders > 1) this.#buffers.set(buffer, holders - 1);
      else if (this.#buffers.delete(buffer)) this.#bytes -= buffer.length;
    }
  }

  /** The stream has acknowledged something, or is over. */
  proved(reader: R): void {
    this.#unproven.delete(reader);
  }

  #endUnproven(now: number): void {
    if (this.#unproven.size <= bounds['unacknowledged-streams'].most) return;
    const [oldest] = this.#unproven;
    if (!oldest || now - oldest[1] < SOON) return;
    this.#unproven.delete(oldest[0]);
    oldest[0].fail(new BoundError('unacknowledged-streams'));
  }

  #endStalled(now: number): void {
    this.#looked = now;
    const stalled = [...this.#readers].filter(({ writingSince }) => now - (writingSince ?? now) >= SOON);
    stalled.sort((a, b) => Number(a.known) - Number(b.known) || (a.writingSince ?? now) - (b.writingSince ?? now));
    for (const reader of stalled) {
      if (this.#bytes <= bounds['process-response-bytes'].most) return;
      reader.fail(new BoundError('process-response-bytes'));
    }
  }
}

import { type BoundName, bounds } from '../bounds.ts';
import { ByAddress } from '../grpc/by-address.ts';
import type { Call } from '../grpc/call.ts';
import { BoundError, type Status, StatusError, status } from '../grpc/status.ts';
import type { Frames, Protocol } from './frame.ts';
import type { LongResource } from './long-answer.ts';
import type { ReceivedRequest } from './request.ts';

/** What a stream asks about the control plane. */
export interface Inquiry {
  readonly typeUrl: string;
  readonly names: readonly string[];
}

export interface InquiryAnswer {
  readonly resources: readonly LongResource[];
  /** Told as the control plane's identifier in place of its usual one. */
  readonly identifier: string;
}

/** While an answer is made. */
export interface Making {
  /** Whether nobody waits for it any more. */
  readonly over: boolean;
  /** So many more bytes are kept for it until it has been read. */
  keep(bytes: number): void;
}

/** Answers what one caller asks. Rejects with a StatusError where it may not know. */
export type AnswerInquiry = (inquiry: Inquiry, making: Making) => Promise<InquiryAnswer>;

/** Whether a stream may ask, and who answers it. `inTurn` is given what writes a part of an answer, beside the pushes. */
export type InquiryAdmission =
  | { readonly ok: true; readonly answer: AnswerInquiry; readonly inTurn: (write: () => void) => void }
  | { readonly ok: false; readonly code: Status; readonly message: string };

/** A stream that asks, as its bounds see it. */
export interface Asking {
  /** The IP address that it comes from. */
  readonly host: string;
  /** Bytes that are kept for the answer that is being made or read. */
  readonly kept: number;
  /** Ends the stream. */
  fail(error: StatusError): void;
}

const keptFor = (streams: readonly Asking[]): number => streams.reduce((sum, { kept }) => sum + kept, 0);

/** The streams that ask. Whom there is no room for is of the address that has most of it: its oldest, or the one that most is kept for. */
export class InquiryStreams {
  readonly #streams = new ByAddress<Asking>();

  add(stream: Asking): void {
    const [oldest] = this.#streams.most(stream.host);
    if (oldest && this.#streams.size >= bounds['inquiry-streams'].most) this.#end(oldest, 'inquiry-streams');
    this.#streams.add(stream.host, stream);
  }

  delete(stream: Asking): void {
    this.#streams.delete(stream.host, stream);
  }

  /** More is kept. */
  weigh(): void {
    const lists = this.#streams.lists();
    if (keptFor(lists.flat()) <= bounds['inquiry-bytes'].most) return;
    const heaviest = lists.reduce((most, list) => (keptFor(list) > keptFor(most) ? list : most));
    const longest = heaviest.reduce((most, stream) => (stream.kept > most.kept ? stream : most));
    this.#end(longest, 'inquiry-bytes');
    this.weigh();
  }

  #end(stream: Asking, bound: BoundName): void {
    this.delete(stream);
    stream.fail(new BoundError(bound));
  }
}

/** What a stream that asks stands on. */
interface InquiryContext {
  readonly protocol: Protocol;
  readonly call: Call;
  readonly frames: Frames;
  readonly isInquiry: (typeUrl: string) => boolean;
  readonly admission: InquiryAdmission & { readonly ok: true };
  readonly streams: InquiryStreams;
  readonly failed: (error: unknown) => void;
}

/**
 * A stream that asks about the control plane and is no client of it: it is not listed, nothing is made for it, and nothing is pushed to it. Each
 * request is answered by itself, one after the other, once the answer before it has been read. An answer is one message, and is written part by part
 * while it is read.
 */
export class InquiryStream implements Asking {
  readonly #context: InquiryContext;
  #last: (Inquiry & { readonly nonce: string }) | undefined;
  kept = 0;

  constructor(context: InquiryContext) {
    this.#context = context;
    context.streams.add(this);
  }

  get host(): string {
    return this.#context.call.transport.host;
  }

  close(): void {
    this.#context.streams.delete(this);
  }

  /** Throws a StatusError if the stream must end. */
  receive({ typeUrl, request }: ReceivedRequest): void {
    if (!this.#context.isInquiry(typeUrl))
      throw new StatusError(status.INVALID_ARGUMENT, `a stream that began with debug types is not served ${typeUrl}`);
    const names = request.protocol === 'sotw' ? request.names : request.subscribe;
    this.#context.call.pause();
    if (request.error || this.#acknowledges(typeUrl, request.nonce, names)) {
      setImmediate(() => this.#context.call.resume());
      return;
    }
    const inquiry = { typeUrl, names };
    this.#context.admission
      .answer(inquiry, this.#making())
      .then(answer => this.#write(inquiry, answer))
      .catch(this.#context.failed);
  }

  fail(error: StatusError): void {
    this.#context.call.fail(error);
  }

  #acknowledges(typeUrl: string, nonce: string, names: readonly string[]): boolean {
    const last = this.#last;
    if (last?.typeUrl !== typeUrl || last.nonce !== nonce) return false;
    if (this.#context.protocol === 'delta') return names.length === 0;
    return names.length === last.names.length && names.every((name, i) => name === last.names[i]);
  }

  #making(): Making {
    const call = this.#context.call;
    return {
      get over() {
        return call.over;
      },
      keep: bytes => {
        this.kept += bytes;
        this.#context.streams.weigh();
      },
    };
  }

  #write(inquiry: Inquiry, { resources, identifier }: InquiryAnswer): void {
    const { protocol, call, frames, admission } = this.#context;
    const { nonce, buffers } = frames.long(protocol, inquiry.typeUrl, resources, identifier);
    this.#last = { ...inquiry, nonce };
    const write = (): void => {
      const next = call.over ? undefined : buffers.next();
      if (next && !next.done) {
        call.write([next.value], () => admission.inTurn(write));
        return;
      }
      this.kept = 0;
      call.resume();
    };
    admission.inTurn(write);
  }
}

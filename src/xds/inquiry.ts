import type { Call } from '../grpc/call.ts';
import { type Status, StatusError, status } from '../grpc/status.ts';
import type { Frames, OtherResource, Protocol } from './frame.ts';
import type { ReceivedRequest } from './request.ts';

/** What a stream asks about the control plane. */
export interface Inquiry {
  readonly typeUrl: string;
  readonly names: readonly string[];
}

export interface InquiryAnswer {
  readonly resources: readonly OtherResource[];
  /** Told as the control plane's identifier in place of its usual one. */
  readonly identifier: string;
}

/** Answers what one caller asks. Rejects with a StatusError where it may not know. */
export type AnswerInquiry = (inquiry: Inquiry) => Promise<InquiryAnswer>;

/** Whether a stream may ask, and who answers it. */
export type InquiryAdmission =
  | { readonly ok: true; readonly answer: AnswerInquiry }
  | { readonly ok: false; readonly code: Status; readonly message: string };

/**
 * A stream that asks about the control plane and is no client of it: it is not listed, nothing is made for it, and nothing is pushed to it. Each
 * request is answered by itself, one after the other, once the answer before it has been read.
 */
export class InquiryStream {
  readonly #protocol: Protocol;
  readonly #call: Call;
  readonly #frames: Frames;
  readonly #isInquiry: (typeUrl: string) => boolean;
  readonly #answer: AnswerInquiry;
  readonly #failed: (error: unknown) => void;
  #last: (Inquiry & { readonly nonce: string }) | undefined;

  constructor(
    protocol: Protocol,
    call: Call,
    frames: Frames,
    isInquiry: (typeUrl: string) => boolean,
    answer: AnswerInquiry,
    failed: (error: unknown) => void,
  ) {
    this.#protocol = protocol;
    this.#call = call;
    this.#frames = frames;
    this.#isInquiry = isInquiry;
    this.#answer = answer;
    this.#failed = failed;
  }

  /** Throws a StatusError if the stream must end. */
  receive({ typeUrl, request }: ReceivedRequest): void {
    if (!this.#isInquiry(typeUrl))
      throw new StatusError(status.INVALID_ARGUMENT, `a stream that began with debug types is not served ${typeUrl}`);
    const names = request.protocol === 'sotw' ? request.names : request.subscribe;
    this.#call.pause();
    if (request.error || this.#acknowledges(typeUrl, request.nonce, names)) {
      setImmediate(() => this.#call.resume());
      return;
    }
    this.#answer({ typeUrl, names }).then(answer => this.#write({ typeUrl, names }, answer), this.#failed);
  }

  /** Ends the stream. */
  fail(error: StatusError): void {
    this.#call.fail(error);
  }

  #acknowledges(typeUrl: string, nonce: string, names: readonly string[]): boolean {
    const last = this.#last;
    if (last?.typeUrl !== typeUrl || last.nonce !== nonce) return false;
    if (this.#protocol === 'delta') return names.length === 0;
    return names.length === last.names.length && names.every((name, i) => name === last.names[i]);
  }

  #write(inquiry: Inquiry, { resources, identifier }: InquiryAnswer): void {
    const frame = this.#frames.other(this.#protocol, inquiry.typeUrl, resources, [], identifier);
    this.#last = { ...inquiry, nonce: frame.nonce };
    this.#call.write(frame.buffers, () => this.#call.resume());
  }
}

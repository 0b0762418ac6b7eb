import type { Clock } from '../clock.ts';
import { StatusError, status } from '../grpc/status.ts';
import type { Stream } from '../xds/handler.ts';

/** Longer than so many milliseconds no timer waits. */
const LONGEST = 2 ** 31 - 1;

/**
 * Ends streams with the proofs that they began with: who connects again shows another. istiod's go on, until it closes their connection half an
 * hour after it began.
 */
export class ProofEnds<C extends object> {
  readonly #clock: Clock;
  readonly #ends = new WeakMap<C, number>();
  readonly #waiting = new Map<C, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A client has proved who it is, until `at`: milliseconds since 1970. */
  admit(client: C, at: number): void {
    this.#ends.set(client, at);
  }

  opened(stream: Pick<Stream<C>, 'client' | 'fail'>): void {
    const at = this.#ends.get(stream.client);
    if (at !== undefined && at !== Number.POSITIVE_INFINITY) this.#await(stream, at);
  }

  closed({ client }: Pick<Stream<C>, 'client'>): void {
    this.#waiting.get(client)?.();
    this.#waiting.delete(client);
  }

  #await(stream: Pick<Stream<C>, 'client' | 'fail'>, at: number): void {
    const left = Math.max(0, at - this.#clock.now());
    const cancel = this.#clock.after(Math.min(LONGEST, left), () => {
      if (this.#clock.now() < at) this.#await(stream, at);
      else stream.fail(new StatusError(status.UNAUTHENTICATED, 'the proof of identity has ended'));
    });
    this.#waiting.set(stream.client, cancel);
  }
}

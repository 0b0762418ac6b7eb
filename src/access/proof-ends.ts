import { type Clock, runAt } from '../clock.ts';
import { StatusError, status } from '../grpc/status.ts';
import type { Stream } from '../xds/handler.ts';

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
    if (at === undefined || at === Number.POSITIVE_INFINITY) return;
    const end = (): void => stream.fail(new StatusError(status.UNAUTHENTICATED, 'the proof of identity has ended'));
    this.#waiting.set(stream.client, runAt(this.#clock, at, end));
  }

  closed({ client }: Pick<Stream<C>, 'client'>): void {
    this.#waiting.get(client)?.();
    this.#waiting.delete(client);
  }
}

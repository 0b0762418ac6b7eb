import { bounds } from '../bounds.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Call } from '../grpc/call.ts';
import { Ration } from '../grpc/ration.ts';
import type { Methods } from '../grpc/server.ts';
import { BoundError, status } from '../grpc/status.ts';
import type { Connection, ConnectionContext } from './connection.ts';
import { Frames, type Protocol } from './frame.ts';
import type { AdsHandler, Cause } from './handler.ts';
import { InquiryStreams } from './inquiry.ts';
import { KeptBytes } from './kept.ts';
import { Opening, type OpeningContext } from './opening.ts';
import { type PushLimits, PushQueue } from './push-queue.ts';
import { Unread } from './unread.ts';

/** What an ADS server can be told; everything has a default. */
export interface AdsServerOptions {
  /** Told to clients as the control plane's identifier. */
  readonly identifier?: string;
  readonly clock?: Clock;
  readonly limits?: Partial<PushLimits>;
  /** Milliseconds that listeners and routes wait at most for clusters to be acknowledged. */
  readonly grace?: number;
  /** The time that there is for newcomers. */
  readonly ration?: Ration;
  /** Every known stream has had its turn since the last push. */
  readonly onPushed?: () => void;
}

/** The paths of the aggregated discovery service's methods. */
export const adsMethods: Readonly<Record<Protocol, string>> = {
  sotw: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  delta: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
};

/** The aggregated discovery service, State-of-the-World and delta, for any number of streams. */
export class AdsServer<C> {
  /** For the ports that serve it; streams of all of them share frames. */
  readonly methods: Methods = {
    [adsMethods.sotw]: call => this.#accept('sotw', call),
    [adsMethods.delta]: call => this.#accept('delta', call),
  };
  readonly #queue: PushQueue<Connection<C>>;
  readonly #context: ConnectionContext<C>;
  readonly #connections = new Set<Connection<C>>();
  readonly #opening: OpeningContext<C>;
  readonly #onPushed: () => void;
  readonly #unread: Unread<Connection<C>>;
  #streams = 0;
  /** How many known streams have not had their turn since the last push. */
  #unseen = 0;

  constructor(handler: AdsHandler<C>, options: AdsServerOptions = {}) {
    const { identifier = '', clock = systemClock, limits, grace = 5_000, onPushed = () => {} } = options;
    const { ration = new Ration() } = options;
    const frames = new Frames(identifier);
    this.#onPushed = onPushed;
    this.#queue = new PushQueue(
      { inFlight: 16 << 20, slice: 10, stall: 25, ...limits },
      clock,
      ration,
      (connection, release) => {
        const sends = connection.serve(release);
        this.#seen(connection);
        return sends;
      },
      () => frames.release(),
    );
    const unread = new Unread(this.#connections, () => clock.now());
    this.#unread = unread;
    this.#context = {
      handler,
      frames,
      clock,
      grace,
      kept: new KeptBytes(),
      sending: (connection, frame) => unread.sending(connection, frame),
      sent: frame => unread.sent(frame),
      proved: connection => unread.proved(connection),
      weigh: connection => this.#weigh(connection),
      enqueue: connection => this.#queue.enqueue(connection),
    };
    this.#opening = {
      connections: this.#context,
      inquiries: new InquiryStreams(),
      count: () => ++this.#streams,
      opened: connection => this.#connections.add(connection),
    };
  }

  /** The streams that have been admitted, oldest first. */
  get connections(): Iterable<Connection<C>> {
    return this.#connections;
  }

  /** How many streams have been admitted and not ended. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** How many streams wait for their turn to be sent something. */
  get queueLength(): number {
    return this.#queue.length;
  }

  /** The world changed: every stream is looked at, and sent what it is owed by now. One that still reads its last response is not waited for. */
  push(causes: readonly Cause[] = []): void {
    for (const connection of this.#connections) {
      if (!connection.touch(causes) || connection.unseen || !connection.known) continue;
      connection.unseen = true;
      this.#unseen++;
    }
  }

  /** Whether known streams have not had their turn since the last push; nobody waits for newcomers. */
  get pushing(): boolean {
    return this.#unseen > 0;
  }

  #seen(connection: Connection<C>): void {
    if (!connection.unseen) return;
    connection.unseen = false;
    if (--this.#unseen === 0) this.#onPushed();
  }

  /** No stream is given a turn any more: to be called once the ports are closed. */
  close(): void {
    this.#queue.close();
  }

  /** Where all that is kept of what clients said is too much, the one that said most is ended. */
  #weigh(asking: Connection<C>): void {
    const { kept } = this.#context;
    while (kept.used > bounds['process-name-bytes'].most) {
      let heaviest = asking;
      for (const connection of this.#connections) if (connection.kept.used > heaviest.kept.used) heaviest = connection;
      const error = new BoundError('process-name-bytes');
      if (heaviest === asking) throw error;
      heaviest.fail(error);
    }
  }

  #accept(protocol: Protocol, call: Call): void {
    const opening = new Opening(protocol, call, this.#opening);
    call.listen({
      message: bytes => opening.message(bytes),
      beginning: bytes => opening.beginning(bytes),
      end: () => call.end(status.OK, ''),
      close: () => {
        opening.close();
        const { connection } = opening;
        if (!connection || !this.#connections.delete(connection)) return;
        connection.close();
        this.#queue.remove(connection);
        this.#unread.proved(connection);
        this.#seen(connection);
        this.#context.handler.onClose?.(connection);
      },
    });
  }
}

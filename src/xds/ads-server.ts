import type { Http2Session } from 'node:http2';
import { Metadata, Server, type ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js';
import { type Clock, systemClock } from './clock.ts';
import { Connection, type ConnectionContext, StreamError } from './connection.ts';
import { Frames, type Protocol } from './frame.ts';
import { frameReader } from './frame-reader.ts';
import { frameWriter, http2StreamOf, type RawCall } from './frame-writer.ts';
import type { Admission, AdsHandler, Cause, Peer } from './handler.ts';
import { type PushLimits, PushQueue } from './push-queue.ts';
import { decodeRequest, type ReceivedRequest } from './request.ts';
import { xdsTypeOf } from './resource-types.ts';

/** What an ADS server can be told; everything has a default. */
export interface AdsServerOptions {
  /** Told to clients as the control plane's identifier. */
  readonly identifier?: string;
  readonly clock?: Clock;
  readonly limits?: Partial<PushLimits>;
  /** Milliseconds that listeners and routes wait at most for clusters to be acknowledged. */
  readonly grace?: number;
}

const identity = (bytes: Buffer): Buffer => bytes;

const method = (name: string) => ({
  path: `/envoy.service.discovery.v3.AggregatedDiscoveryService/${name}`,
  requestStream: true,
  responseStream: true,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
});

/** The aggregated discovery service, with messages left as bytes. */
export const rawAdsService = {
  StreamAggregatedResources: method('StreamAggregatedResources'),
  DeltaAggregatedResources: method('DeltaAggregatedResources'),
} satisfies ServiceDefinition;

/** A request of more bytes than this is none of a proxy. */
const LONGEST_REQUEST = 4 * 1024 * 1024;

/** istiod's settings: pings after 30 s of silence, 10 s to answer, requests of at most 4 MiB; responses may be of any size. */
const channelOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_concurrent_streams': 100_000,
  'grpc.max_receive_message_length': LONGEST_REQUEST,
  'grpc.max_send_message_length': -1,
  'grpc.enable_channelz': 0,
};

/** Serves the aggregated discovery service, State-of-the-World and delta, to any number of streams. */
export class AdsServer<C> {
  /** The gRPC server, for services beside this one. */
  readonly grpc: Server;
  readonly #handler: AdsHandler<C>;
  readonly #queue: PushQueue<Connection<C>>;
  readonly #context: ConnectionContext<C>;
  readonly #connections = new Set<Connection<C>>();
  readonly #sessions = new Set<Http2Session>();
  #streams = 0;
  #stopping = false;

  constructor(handler: AdsHandler<C>, options: AdsServerOptions = {}) {
    const { identifier = '', clock = systemClock, limits, grace = 5_000 } = options;
    const frames = new Frames(identifier);
    this.#handler = handler;
    this.#queue = new PushQueue(
      { inFlight: 50, slice: 10, stall: 500, ...limits },
      clock,
      (connection, release) => connection.serve(release),
      () => frames.release(),
    );
    this.#context = { handler, frames, clock, grace, enqueue: connection => this.#queue.enqueue(connection) };
    this.grpc = new Server(channelOptions);
    this.grpc.addService(rawAdsService, {
      StreamAggregatedResources: (call: RawCall) => this.#accept('sotw', call),
      DeltaAggregatedResources: (call: RawCall) => this.#accept('delta', call),
    });
  }

  /** Listens on an address such as `127.0.0.1:15010`, beside others; resolves with the port. */
  listen(address: string, credentials: ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.grpc.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
    });
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

  /** The world changed: every stream is looked at, and sent what it is owed by now. */
  push(causes: readonly Cause[] = []): void {
    for (const connection of this.#connections) connection.touch(causes);
  }

  /**
   * Stops accepting, tells clients to go elsewhere, lets responses that are being written go out, and ends all streams; after `graceMs`
   * what is left is cut off.
   */
  async stop(graceMs = 5_000): Promise<void> {
    this.#stopping = true;
    const closed = new Promise<void>(resolve => this.grpc.tryShutdown(() => resolve()));
    for (const connection of [...this.#connections])
      connection.end(status.UNAVAILABLE, 'the control plane is stopping');
    // grpc-js's forceShutdown leaves sessions open when channelz is off.
    const late = setTimeout(() => {
      for (const session of this.#sessions) session.destroy();
    }, graceMs);
    await closed;
    clearTimeout(late);
    this.#queue.close();
  }

  #accept(protocol: Protocol, call: RawCall): void {
    let connection: Connection<C> | undefined;
    let over = false;
    const end = (code: status, message: string): void => {
      if (over) return;
      close();
      call.emit('error', { code, details: message });
    };
    const fail = (error: unknown): void => {
      if (!(error instanceof StreamError)) this.#handler.onError?.(error, connection);
      end(
        error instanceof StreamError ? error.code : status.INTERNAL,
        error instanceof StreamError ? error.message : 'internal error',
      );
    };
    const close = (): void => {
      over = true;
      if (!connection || !this.#connections.delete(connection)) return;
      connection.close();
      this.#queue.remove(connection);
      this.#handler.onClose?.(connection);
    };
    const admit = (first: ReceivedRequest, peer: Peer, admission: Admission<C>): void => {
      if (over) return;
      if (!admission.ok) throw new StreamError(admission.code, admission.message);
      connection = new Connection(
        ++this.#streams,
        protocol,
        admission.client,
        peer,
        end,
        frameWriter(call),
        this.#context,
      );
      this.#connections.add(connection);
      this.#handler.onOpen?.(connection);
      connection.receive(first);
    };
    const receive = (bytes: Buffer): void => {
      const received = decoded(protocol, bytes);
      if (connection) {
        connection.receive(received);
        return;
      }
      if (this.#stopping) throw new StreamError(status.UNAVAILABLE, 'the control plane is stopping');
      if (!received.node) {
        // pilot-agent may report its health before Envoy's first request.
        if (xdsTypeOf(received.typeUrl) === undefined) return;
        throw new StreamError(status.INVALID_ARGUMENT, 'missing node information');
      }
      const peer = peerOf(call);
      const admission = this.#handler.connect(received.node, peer);
      if (admission instanceof Promise) {
        reader.pause();
        admission.then(known => admit(received, peer, known)).then(() => reader.resume(), fail);
      } else {
        admit(received, peer, admission);
      }
    };
    const session = http2StreamOf(call)?.session;
    if (session && !this.#sessions.has(session)) {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
    }
    const reader = frameReader(call, LONGEST_REQUEST, {
      message(bytes) {
        if (over) return;
        try {
          receive(bytes);
        } catch (error) {
          fail(error);
        }
      },
      end() {
        if (!over) call.end(new Metadata());
        close();
      },
      fail,
    });
    call.once('cancelled', close);
    call.once('close', close);
  }
}

function decoded(protocol: Protocol, bytes: Buffer): ReceivedRequest {
  try {
    return decodeRequest(protocol, bytes);
  } catch {
    throw new StreamError(status.INVALID_ARGUMENT, 'malformed discovery request');
  }
}

function peerOf(call: RawCall): Peer {
  const { metadata } = call;
  const certificate = call.getAuthContext().sslPeerCertificate?.raw;
  return {
    address: call.getPeer(),
    localPort: http2StreamOf(call)?.session?.socket.localPort,
    header: name => metadata.get(name).map(String),
    certificate,
  };
}

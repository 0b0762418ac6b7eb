import type { X509Certificate } from 'node:crypto';
import { createServer, type Server as Listener, type ListenOptions, type Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { type BoundName, bounds } from '../bounds.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { ServerTls } from '../tls.ts';
import { Account } from './account.ts';
import { ByAddress } from './by-address.ts';
import { Call, type CallListener, http2StreamOf, type RawCall } from './call.ts';
import { Ration } from './ration.ts';
import { BoundError, type Status, status } from './status.ts';
import { Transport, type TransportContext } from './transport.ts';
import { Turns } from './turns.ts';

/** What is served, by the methods' paths, such as `/package.Service/Method`; their calls are streams of bytes. */
export type Methods = Readonly<Record<string, (call: Call) => void>>;

/** Where calls come in. */
export interface GrpcPort {
  /** No other port of the server has it. */
  readonly name: string;
  /** Such as `127.0.0.1:15010`, `[::]:15010` or `unix:/run/xds.sock`. */
  readonly address: string;
  /** Plaintext without. */
  readonly tls?: ServerTls | undefined;
  readonly methods: Methods;
}

/** What a gRPC server is told. */
export interface GrpcServerOptions {
  readonly clock?: Clock;
  /** The time that there is for newcomers. */
  readonly ration?: Ration;
  /** A bound was met by this peer. */
  readonly onBound?: (bound: BoundName, transport: Transport | undefined) => void;
}

/** istiod's settings: pings after 30 s of silence, 10 s to answer; responses may be of any size. */
const channelOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_concurrent_streams': bounds['streams-per-connection'].most,
  'grpc.max_receive_message_length': bounds['request-bytes'].most,
  'grpc.max_send_message_length': -1,
  'grpc.enable_channelz': 0,
};

const identity = (bytes: Buffer): Buffer => bytes;

const nobody: CallListener = { message: () => {}, end: () => {}, close: () => {} };

/** Where a socket has its transport: a session gives its socket's properties, and not the socket. */
const TRANSPORT: unique symbol = Symbol('transport');

const CHECK_EVERY = 1_000;

/** `host:port`, `[address]:port` or `unix:path`. */
function listenOptions(address: string): ListenOptions {
  if (address.startsWith('unix:')) return { path: address.slice('unix:'.length) };
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(at + 1)) };
}

/**
 * A gRPC server of any number of ports that holds every peer to the bounds of `bounds.ts`, which are for all ports together: connections are
 * accepted here, secured where the port is, and handed to grpc-js; calls are read and written here.
 *
 * A connection is begun when it is its turn, so that a thousand that come together do not keep those waiting that are here.
 */
export class GrpcServer {
  readonly #grpc = new Server(channelOptions);
  readonly #ration: Ration;
  readonly #onBound: NonNullable<GrpcServerOptions['onBound']>;
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  readonly #ports = new Map<string, GrpcPort>();
  /** Accepted, and not begun. */
  readonly #accepted = new Map<Socket, () => void>();
  readonly #transports = new Set<Transport>();
  readonly #byAddress = new ByAddress<Transport>();
  /** Those without an admitted call, the one that has been so for longest first. */
  readonly #silent = new ByAddress<Transport>();
  readonly #context: TransportContext;
  #beginning = false;
  #stopping: { readonly done: () => void } | undefined;
  #cancelCheck: (() => void) | undefined;

  constructor({ clock = systemClock, ration = new Ration(), onBound = () => {} }: GrpcServerOptions = {}) {
    this.#ration = ration;
    this.#onBound = onBound;
    this.#clock = clock;
    this.#context = {
      now: () => this.#clock.now(),
      turns: new Turns(ration),
      requests: new Account('process-request-bytes'),
      makeRoom: asking => this.#makeRoom(asking),
      changed: transport => this.#changed(transport),
      met: onBound,
    };
  }

  /** Listens on a port, beside others; resolves with its number. */
  listen(port: GrpcPort): Promise<number> {
    this.#ports.set(port.name, port);
    // A path that is registered already stays so: which of the ports serves it is seen when it is called.
    for (const path of Object.keys(port.methods))
      this.#grpc.register(path, (raw: RawCall) => this.#call(raw, path), identity, identity, 'bidi');
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    const listener = createServer(socket => this.#accept(socket, port, secured => injector.injectConnection(secured)));
    this.#listeners.add(listener);
    this.#check();
    return new Promise((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(listenOptions(port.address), () => {
        const bound = listener.address();
        resolve(typeof bound === 'object' && bound ? bound.port : 0);
      });
    });
  }

  /**
   * Stops accepting, ends every call with a status, and resolves once all connections are closed; after `graceMs` what is left is cut off.
   */
  async stop(code: Status, message: string, graceMs: number): Promise<void> {
    if (this.#stopping) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopping = { done: resolve };
    for (const listener of this.#listeners) listener.close();
    for (const transport of [...this.#transports]) transport.end(code, message);
    // Tells every client to go.
    this.#grpc.tryShutdown(() => {});
    const late = setTimeout(() => {
      for (const transport of [...this.#transports]) transport.cut();
    }, graceMs);
    this.#stopIfDone();
    await promise;
    clearTimeout(late);
    this.#cancelCheck?.();
  }

  #stopIfDone(): void {
    if (this.#transports.size === 0) this.#stopping?.done();
  }

  #accept(socket: Socket, port: GrpcPort, begin: (socket: Socket) => void): void {
    const transport = new Transport(socket, port.name, this.#context);
    if (this.#stopping || !this.#hasRoomFor(transport)) {
      socket.destroy();
      return;
    }
    const { host } = transport;
    const secured = (ready: Socket, certificates: readonly X509Certificate[]): void => {
      transport.certificates = certificates;
      Object.defineProperty(ready, TRANSPORT, { value: transport });
      begin(ready);
    };
    this.#transports.add(transport);
    this.#byAddress.add(host, transport);
    this.#silent.add(host, transport);
    this.#accepted.set(socket, () => (port.tls ? port.tls.accept(socket, secured) : secured(socket, [])));
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#accepted.delete(socket);
      this.#forget(transport);
      this.#stopIfDone();
    });
    this.#scheduleBegin();
  }

  /** Makes room where there is none, at the expense of the address that has most: its oldest connection goes. */
  #hasRoomFor(transport: Transport): boolean {
    const { host } = transport;
    if (this.#transports.size >= bounds.connections.most) {
      const [oldest] = this.#byAddress.most(host);
      if (!oldest || oldest.host === host) {
        this.#onBound('connections', transport);
        return false;
      }
      this.#displace('connections', oldest);
    }
    if (this.#silent.size >= bounds['silent-connections'].most) {
      const [oldest] = this.#silent.most(host);
      if (oldest) this.#displace('silent-connections', oldest);
    }
    return true;
  }

  #displace(bound: BoundName, transport: Transport): void {
    this.#forget(transport);
    this.#onBound(bound, transport);
    transport.cut();
  }

  #forget(transport: Transport): void {
    this.#transports.delete(transport);
    this.#byAddress.delete(transport.host, transport);
    this.#silent.delete(transport.host, transport);
  }

  #scheduleBegin(): void {
    if (this.#beginning) return;
    this.#beginning = true;
    setImmediate(() => this.#begin());
  }

  #begin(): void {
    this.#beginning = false;
    for (const [socket, begin] of this.#accepted) {
      if (!this.#ration.open || this.#ration.crowded) {
        this.#beginning = true;
        this.#ration.wait('connections', () => this.#begin());
        return;
      }
      this.#accepted.delete(socket);
      if (!socket.destroyed) this.#ration.use(begin);
    }
  }

  #call(raw: RawCall, path: string): void {
    const socket = http2StreamOf(raw).session?.socket;
    const transport: unknown = socket && Reflect.get(socket, TRANSPORT);
    if (!(transport instanceof Transport)) throw new Error('a call without a connection');
    const call = new Call(raw, transport);
    transport.calls.add(call);
    const method = this.#ports.get(transport.port)?.methods[path];
    if (!this.#stopping && method) method(call);
    else {
      call.listen(nobody);
      if (this.#stopping) call.end(status.UNAVAILABLE, 'the server is stopping');
      else call.end(status.UNIMPLEMENTED, `this port does not serve ${path}`);
    }
  }

  #changed(transport: Transport): void {
    if (!this.#transports.has(transport)) return;
    if (transport.silent) this.#silent.add(transport.host, transport);
    else this.#silent.delete(transport.host, transport);
  }

  #makeRoom(asking: Transport): boolean {
    let heaviest = asking;
    for (const transport of this.#transports)
      if (transport.requests.used > heaviest.requests.used) heaviest = transport;
    if (heaviest === asking) return false;
    heaviest.shed(new BoundError('process-request-bytes'));
    return true;
  }

  #check(): void {
    if (this.#cancelCheck) return;
    this.#cancelCheck = this.#clock.after(CHECK_EVERY, () => {
      this.#cancelCheck = undefined;
      for (const transport of [...this.#transports]) transport.check();
      this.#check();
    });
  }
}

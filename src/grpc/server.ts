import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createListener, type Server as Listener, type ListenOptions, type Socket } from 'node:net';
import { type BoundName, bounds } from '../bounds.ts';
import { type Clock, systemClock } from '../clock.ts';
import { Account } from './account.ts';
import { Call, refuse } from './call.ts';
import { BoundError, type Status, status } from './status.ts';
import { Transport, type TransportContext } from './transport.ts';
import { Turns } from './turns.ts';

/** What a gRPC server is told. */
export interface GrpcServerOptions {
  /** The methods by their paths, such as `/package.Service/Method`. */
  readonly methods: Readonly<Record<string, (call: Call) => void>>;
  readonly clock?: Clock;
  /** A bound was met by this peer. */
  readonly onBound?: (bound: BoundName, transport: Transport | undefined, call: Call | undefined) => void;
}

const CHECK_EVERY = 1_000;
/** Milliseconds in which connections are begun before the event loop has a turn. */
const SLICE = 5;

/** `host:port`, `[address]:port` or `unix:path`. */
function listenOptions(address: string): ListenOptions {
  if (address.startsWith('unix:')) return { path: address.slice('unix:'.length) };
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(at + 1)) };
}

/**
 * A gRPC server that holds every peer to the bounds of `bounds.ts`: its calls are streams of bytes.
 *
 * A connection is accepted at once and begun when it is its turn, so that a thousand that come together do not keep those waiting that are here.
 */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #clock: Clock;
  readonly #http2: Http2Server;
  readonly #listeners = new Set<Listener>();
  /** Accepted, and not begun. */
  readonly #accepted = new Set<Socket>();
  readonly #transports = new Map<ServerHttp2Session, Transport>();
  /** Those without an admitted call, the one that has been so for longest first. */
  readonly #silent = new Set<Transport>();
  readonly #context: TransportContext;
  #beginning = false;
  #stopping: { readonly done: () => void } | undefined;
  #cancelCheck: (() => void) | undefined;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#context = {
      now: () => this.#clock.now(),
      turns: new Turns(),
      requests: new Account('process-request-bytes'),
      makeRoom: asking => this.#makeRoom(asking),
      changed: transport => this.#changed(transport),
      met: (bound, transport, call) => options.onBound?.(bound, transport, call),
    };
    this.#http2 = createServer({
      settings: {
        maxConcurrentStreams: bounds['streams-per-connection'].most,
        maxHeaderListSize: bounds['header-bytes'].most,
      },
      // Responses of any size wait in a session, and it counts them; what comes in is bounded by streams and windows.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
    });
    this.#http2.on('session', session => this.#begun(session));
    this.#http2.on('stream', (stream, headers) => {
      const transport = stream.session && this.#transports.get(stream.session as ServerHttp2Session);
      stream.on('error', () => {});
      if (!transport) return stream.destroy();
      if (headers[':method'] !== 'POST' || !headers['content-type']?.startsWith('application/grpc')) {
        stream.respond({ ':status': 415 }, { endStream: true });
        return undefined;
      }
      const method = options.methods[headers[':path'] ?? ''];
      if (!method) return refuse(stream, status.UNIMPLEMENTED, `there is no method ${headers[':path']}`);
      const call = new Call(stream, headers, transport);
      transport.calls.add(call);
      if (this.#stopping) call.end(status.UNAVAILABLE, 'the control plane is stopping');
      else method(call);
      return undefined;
    });
  }

  /** Listens on an address such as `127.0.0.1:15010`, beside others; resolves with the port. */
  listen(address: string): Promise<number> {
    const listener = createListener(socket => this.#accept(socket));
    this.#listeners.add(listener);
    this.#check();
    return new Promise((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(listenOptions(address), () => {
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
    for (const socket of this.#accepted) socket.destroy();
    this.#accepted.clear();
    for (const transport of [...this.#transports.values()]) transport.end(code, message);
    const late = setTimeout(() => {
      for (const transport of [...this.#transports.values()]) transport.cut();
    }, graceMs);
    this.#stopIfDone();
    await promise;
    clearTimeout(late);
    this.#cancelCheck?.();
  }

  #stopIfDone(): void {
    if (this.#transports.size === 0) this.#stopping?.done();
  }

  #accept(socket: Socket): void {
    const count = this.#accepted.size + this.#transports.size;
    if (this.#stopping || count >= bounds.connections.most) {
      if (!this.#stopping) this.#options.onBound?.('connections', undefined, undefined);
      socket.destroy();
      return;
    }
    if (this.#accepted.size + this.#silent.size >= bounds['silent-connections'].most) this.#displace();
    this.#accepted.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#accepted.delete(socket));
    this.#scheduleBegin();
  }

  /** Closes the connection that has been without an admitted call for longest. */
  #displace(): void {
    const [oldest] = this.#silent;
    if (!oldest) {
      const [socket] = this.#accepted;
      socket?.destroy();
      if (socket) this.#accepted.delete(socket);
      return;
    }
    this.#silent.delete(oldest);
    this.#options.onBound?.('silent-connections', oldest, undefined);
    oldest.cut();
  }

  #scheduleBegin(): void {
    if (this.#beginning) return;
    this.#beginning = true;
    setImmediate(() => {
      this.#beginning = false;
      const until = performance.now() + SLICE;
      for (const socket of this.#accepted) {
        if (performance.now() > until) return this.#scheduleBegin();
        this.#accepted.delete(socket);
        if (!socket.destroyed) this.#http2.emit('connection', socket);
      }
    });
  }

  #begun(session: ServerHttp2Session): void {
    const transport = new Transport(session, this.#context);
    this.#transports.set(session, transport);
    this.#silent.add(transport);
    session.on('error', () => {});
    session.once('close', () => {
      this.#transports.delete(session);
      this.#silent.delete(transport);
      this.#stopIfDone();
    });
  }

  #changed(transport: Transport): void {
    if (transport.silent) this.#silent.add(transport);
    else this.#silent.delete(transport);
  }

  #makeRoom(asking: Transport): boolean {
    let heaviest = asking;
    for (const transport of this.#transports.values())
      if (transport.requests.used > heaviest.requests.used) heaviest = transport;
    if (heaviest === asking) return false;
    heaviest.shed(new BoundError('process-request-bytes'));
    return true;
  }

  #check(): void {
    if (this.#cancelCheck) return;
    this.#cancelCheck = this.#clock.after(CHECK_EVERY, () => {
      this.#cancelCheck = undefined;
      for (const transport of [...this.#transports.values()]) transport.check();
      this.#check();
    });
  }
}

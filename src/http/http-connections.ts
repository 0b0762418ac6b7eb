import type { Socket } from 'node:net';
import { type BoundName, bounds } from '../bounds.ts';
import { ByAddress } from '../grpc/by-address.ts';

interface HttpConnection {
  readonly socket: Socket;
  readonly address: string;
  /** Requests that are to be answered, the first of them now. */
  readonly requests: (() => void)[];
  /** When it was opened, or had its last answer. */
  since: number;
}

/** How many heads of requests end in a chunk; no more than one beyond the bound are counted. */
function requestsIn(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf('\n\r\n'); at >= 0; at = chunk.indexOf('\n\r\n', at + 3)) {
    if (++count > bounds['http-requests-per-connection'].most) break;
  }
  return count;
}

/**
 * The open connections of an HTTP server. Whoever comes is let in, and the one that has been idle for longest makes room: of the same address
 * where that has its share already, else of the address that has most. So a probe is answered however many connections others hold.
 */
export class HttpConnections {
  readonly #byAddress = new ByAddress<HttpConnection>();
  readonly #onBound: (bound: BoundName, address: string) => void;
  readonly #open = new WeakMap<Socket, HttpConnection>();

  constructor(onBound: (bound: BoundName, address: string) => void) {
    this.#onBound = onBound;
  }

  /** A connection was accepted: it counts from now on, although it may have to be secured before anything is asked on it. */
  opened(socket: Socket): void {
    const address = socket.remoteAddress ?? 'unknown';
    const connection: HttpConnection = { socket, address, requests: [], since: performance.now() };
    this.#byAddress.add(address, connection);
    this.#open.set(socket, connection);
    socket.once('close', () => this.#byAddress.delete(address, connection));
    const beside = this.#byAddress.of(address);
    if (beside.size > bounds['http-connections-per-address'].most)
      this.#closeOldest(beside, 'http-connections-per-address');
    else if (this.#byAddress.size > bounds['http-connections'].most)
      this.#closeOldest(this.#byAddress.most(address), 'http-connections');
  }

  /** Requests are read from now on, on the connection itself or from what secures it. */
  begins(accepted: Socket, socket: Socket): void {
    const connection = this.#open.get(accepted);
    if (connection) this.#open.set(socket, connection);
    this.#look(socket);
  }

  closeAll(): void {
    for (const { socket } of this.#byAddress.lists().flat()) socket.destroy();
  }

  /**
   * Looks at what arrives before it is parsed: node:http makes objects of all requests of a chunk before the first is answered, and a chunk has
   * room for fifteen hundred.
   */
  #look(socket: Socket): void {
    // Somebody listens, so that node:net hands on what it reads instead of leaving it to the parser.
    socket.on('data', () => {});
    const push = socket.push.bind(socket);
    socket.push = (chunk: Buffer | null, ...rest) => {
      if (!chunk || requestsIn(chunk) <= bounds['http-requests-per-connection'].most) return push(chunk, ...rest);
      this.#onBound('http-requests-per-connection', socket.remoteAddress ?? 'unknown');
      socket.destroy();
      return false;
    };
  }

  /** A request arrived: it is answered when those before it are. Who sends many without reading the answers is cut off. */
  requested(socket: Socket, answer: () => void): void {
    const connection = this.#open.get(socket);
    if (!connection) return;
    if (connection.requests.length >= bounds['http-requests-per-connection'].most) {
      this.#onBound('http-requests-per-connection', connection.address);
      socket.destroy();
    } else if (connection.requests.push(answer) === 1) answer();
  }

  /** The first request has been answered. */
  answered(socket: Socket): void {
    const connection = this.#open.get(socket);
    if (!connection) return;
    connection.since = performance.now();
    connection.requests.shift();
    if (!socket.destroyed) connection.requests[0]?.();
  }

  #closeOldest(connections: Iterable<HttpConnection>, bound: BoundName): void {
    let oldest: HttpConnection | undefined;
    for (const connection of connections) {
      const [busy, otherBusy] = [connection.requests.length > 0, (oldest?.requests.length ?? 0) > 0];
      const sooner = !oldest || (!busy && otherBusy) || (busy === otherBusy && connection.since < oldest.since);
      if (sooner && !connection.socket.destroyed) oldest = connection;
    }
    if (!oldest) return;
    this.#onBound(bound, oldest.address);
    oldest.socket.destroy();
  }
}

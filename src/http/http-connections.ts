import type { Socket } from 'node:net';
import { type BoundName, bounds } from '../bounds.ts';

interface HttpConnection {
  readonly socket: Socket;
  readonly address: string;
  /** Requests that are being answered. */
  answering: number;
  /** When it was opened, or had its last answer. */
  since: number;
}

/**
 * The open connections of an HTTP server. Whoever comes is let in, and the one that has been idle for longest makes room: of the same address
 * where that has its share already, else of the address that has most. So a probe is answered however many connections others hold.
 */
export class HttpConnections {
  /** By address, the oldest first. */
  readonly #byAddress = new Map<string, Set<HttpConnection>>();
  readonly #onBound: (bound: BoundName, address: string) => void;
  readonly #open = new WeakMap<Socket, HttpConnection>();
  #count = 0;

  constructor(onBound: (bound: BoundName, address: string) => void) {
    this.#onBound = onBound;
  }

  opened(socket: Socket): void {
    const address = socket.remoteAddress ?? 'unknown';
    const connection: HttpConnection = { socket, address, answering: 0, since: performance.now() };
    const beside = this.#byAddress.get(address) ?? new Set();
    this.#byAddress.set(address, beside.add(connection));
    this.#open.set(socket, connection);
    this.#count++;
    socket.once('close', () => {
      this.#count--;
      beside.delete(connection);
      if (beside.size === 0 && this.#byAddress.get(address) === beside) this.#byAddress.delete(address);
    });
    if (beside.size > bounds['http-connections-per-address'].most) {
      this.#closeOldest(beside, 'http-connections-per-address');
    } else if (this.#count > bounds['http-connections'].most) {
      const crowded = [...this.#byAddress.values()].reduce((most, of) => (of.size > most.size ? of : most), beside);
      this.#closeOldest(crowded, 'http-connections');
    }
  }

  /** A request arrived; whether it may be answered. Clients that send many without reading the answers may not. */
  answering(socket: Socket): boolean {
    const connection = this.#open.get(socket);
    if (!connection) return false;
    if (connection.answering >= bounds['http-requests-per-connection'].most) {
      this.#onBound('http-requests-per-connection', connection.address);
      socket.destroy();
      return false;
    }
    connection.answering++;
    return true;
  }

  answered(socket: Socket): void {
    const connection = this.#open.get(socket);
    if (!connection) return;
    connection.answering--;
    connection.since = performance.now();
  }

  #closeOldest(connections: Iterable<HttpConnection>, bound: BoundName): void {
    let oldest: HttpConnection | undefined;
    for (const connection of connections) {
      const sooner =
        !oldest ||
        (connection.answering === 0 && oldest.answering > 0) ||
        (connection.answering > 0 === oldest.answering > 0 && connection.since < oldest.since);
      if (sooner && !connection.socket.destroyed) oldest = connection;
    }
    if (!oldest) return;
    this.#onBound(bound, oldest.address);
    oldest.socket.destroy();
  }
}

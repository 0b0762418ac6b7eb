import { connect, createServer, type Server, type Socket } from 'node:net';

/** A network between a client and a local server, which tests may cut or let fall silent. */
export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #cut = false;
  #hangs = false;
  accepted = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(target: number): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server);
    server.on('connection', client => proxy.#relay(client, target));
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, '127.0.0.1', () => resolve());
    await promise;
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** Ends all connections and refuses new ones, until `mend`. */
  cut(): void {
    this.#cut = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  mend(): void {
    this.#cut = false;
    this.#hangs = false;
  }

  /** From now on nothing passes through the connections that are open, nor through new ones until `mend`; neither end is told. */
  hang(): void {
    this.#hangs = true;
    this.silence();
  }

  /** From now on nothing passes through the connections that are open, and neither end is told. New ones work. */
  silence(): void {
    for (const [client, server] of this.#pairs) {
      client.unpipe(server);
      server.unpipe(client);
      for (const socket of [client, server]) socket.resume();
    }
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #relay(client: Socket, target: number): void {
    this.accepted += 1;
    if (this.#cut) {
      client.destroy();
      return;
    }
    const server = connect(target, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    if (this.#hangs) client.resume();
    else client.pipe(server).pipe(client);
    for (const socket of pair) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
  }
}

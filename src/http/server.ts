import type { AddressInfo, Socket } from 'node:net';
import type { Caller, Identify, Rights } from '../access/caller.ts';
import { type BoundName, bounds } from '../bounds.ts';
import { createServer } from '../node-http.ts';
import { type Address, reachedAt } from '../settings/address.ts';
import type { ServerTls } from '../tls.ts';
import { answer, lookUp } from './answer.ts';
import { Bodies } from './bodies.ts';
import { HttpConnections } from './http-connections.ts';
import type { Pages } from './page.ts';
import { pageWriter as writer } from './page-writer.ts';

/** Where requests come in. */
export interface HttpPort {
  readonly name: string;
  readonly address: Address;
  /** Plaintext without. */
  readonly tls?: ServerTls | undefined;
  readonly identify: Identify;
  readonly pages: Pages;
}

export interface HttpServer {
  readonly address: string;
  stop(): Promise<void>;
}

/** What an HTTP server asks and tells. */
export interface HttpListener {
  rightsOf(caller: Caller): Rights;
  /** A page was refused. */
  refused(path: string, address: string, reason: string): void;
  /** A page threw. */
  failed(error: unknown, path: string): void;
  /** A client met a bound. */
  bound(bound: BoundName, address: string): void;
}

/** One for all servers: bodies share their room. */
const bodies = new Bodies();

/** Serves the pages of a port. A page that throws answers 500 and is reported. */
export async function startHttp(port: HttpPort, listener: HttpListener): Promise<HttpServer> {
  const { name, address, tls, pages, identify } = port;
  const { rightsOf, refused } = listener;
  const context = { port: name, pages, identify, rightsOf, refused, writer, bodies };
  const connections = new HttpConnections(listener.bound);
  const options = {
    headersTimeout: bounds['http-request-ms'].most,
    requestTimeout: bounds['http-request-ms'].most,
    keepAliveTimeout: bounds['http-idle-ms'].most,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: bounds['http-header-bytes'].most,
  };
  const server = createServer(options, (request, response) => {
    const { socket } = request;
    const failed = (error: unknown): void => {
      // A client that has gone needs no answer.
      if (response.destroyed) return;
      listener.failed(error, request.url ?? '/');
      if (response.headersSent) response.destroy();
      else {
        response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
        response.end('This page failed; the log says why.\n');
      }
    };
    const met = ({ bound }: { readonly bound: BoundName }): void =>
      listener.bound(bound, socket.remoteAddress ?? 'unknown');
    const asked = lookUp(request, response, pages);
    connections.requested(socket, () => {
      response.once('close', () => connections.answered(socket));
      const make = (): void => void answer(asked, context, { failed, met }).catch(failed);
      if (asked.entry?.probe || !asked.url) make();
      else writer.make(make);
    });
  });
  // What node:http does with a connection is done once it is secured, if it has to be.
  const begin = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (accepted: Socket) => {
    connections.opened(accepted);
    const secured = (socket: Socket): void => {
      for (const each of begin) each.call(server, socket);
      connections.begins(accepted, socket);
    };
    if (tls) tls.accept(accepted, secured);
    else secured(accepted);
  });
  // Neither read from nor written to: idle, or a client that does not read.
  server.setTimeout(bounds['http-idle-ms'].most, socket => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: reachedAt({ host: address.host, port: bound.port }),
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        connections.closeAll();
      }),
  };
}

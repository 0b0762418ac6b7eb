import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BoundName, bounds } from '../bounds.ts';
import { createServer } from '../node-http.ts';
import { type Address, reachedAt } from '../settings.ts';
import { HttpConnections } from './http-connections.ts';
import { type Entry, pieces } from './page.ts';
import { PageWriter } from './page-writer.ts';

export interface HttpServer {
  readonly address: string;
  stop(): Promise<void>;
}

/** What an HTTP server tells. */
export interface HttpListener {
  /** A page threw. */
  failed(error: unknown, path: string): void;
  /** A client met a bound. */
  bound(bound: BoundName, address: string): void;
}

type Pages = Readonly<Record<string, Entry>>;

/** One for all servers: pages share the event loop's turns. */
const writer = new PageWriter();

async function answer(
  entry: Entry | undefined,
  { method }: IncomingMessage,
  url: URL,
  response: ServerResponse,
  failed: (error: unknown) => void,
): Promise<void> {
  const reading = method === 'GET' || method === 'HEAD';
  const result = !entry
    ? { status: 404, body: `There is no page ${url.pathname}; /debug lists them.\n` }
    : reading
      ? await entry.page(url.searchParams)
      : { status: 405, body: 'These pages are only read: GET or HEAD.\n' };
  const { body, status = 200 } = result;
  const isText = typeof body === 'string';
  const type = result.type ?? (isText ? 'text/plain; charset=utf-8' : 'application/json');
  response.writeHead(status, {
    'content-type': type,
    ...(isText && { 'content-length': Buffer.byteLength(body) }),
  });
  if (method === 'HEAD') response.end();
  else if (isText) response.end(body);
  else writer.write(response, pieces(body), failed);
}

/** Serves the pages. A page that throws answers 500 and is reported. */
export async function startHttp(address: Address, pages: Pages, listener: HttpListener): Promise<HttpServer> {
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
    // A body is of no use to any page: who sends one is not kept waiting for the end of it.
    request.resume();
    const failed = (error: unknown): void => {
      listener.failed(error, request.url ?? '/');
      if (response.headersSent) response.destroy();
      else {
        response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
        response.end('This page failed; the log says why.\n');
      }
    };
    connections.requested(socket, () => {
      response.once('close', () => connections.answered(socket));
      const url = URL.parse(request.url ?? '/', 'http://localhost');
      if (!url) {
        response.writeHead(400, { 'content-type': 'text/plain; charset=utf-8' });
        response.end('This is no path; /debug lists the pages.\n');
        return;
      }
      const entry = Object.hasOwn(pages, url.pathname) ? pages[url.pathname] : undefined;
      const make = (): void => void answer(entry, request, url, response, failed).catch(failed);
      if (entry?.probe) make();
      else writer.make(make);
    });
  });
  server.on('connection', socket => connections.opened(socket));
  // Neither read from nor written to: idle, or a client that does not read.
  server.setTimeout(bounds['http-idle-ms'].most, socket => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: reachedAt({ host: address.host, port }),
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

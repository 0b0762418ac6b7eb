import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from '../node-http.ts';
import { type Address, reachedAt } from '../settings.ts';

/** What a page answers. A string is text; anything else is JSON. */
export interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly body: unknown;
}

/** A page by its path; it reads the query. */
export type Page = (query: URLSearchParams) => Answer | Promise<Answer>;

/** A page with one line for the index at `/debug`. */
export interface Entry {
  readonly help: string;
  readonly page: Page;
}

export interface HttpServer {
  readonly address: string;
  stop(): Promise<void>;
}

const textOf = (body: unknown): string => (typeof body === 'string' ? body : `${JSON.stringify(body, null, 2)}\n`);

async function answer(
  pages: Readonly<Record<string, Entry>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const entry = Object.hasOwn(pages, url.pathname) ? pages[url.pathname] : undefined;
  const reading = request.method === 'GET' || request.method === 'HEAD';
  const result = !entry
    ? { status: 404, body: `There is no page ${url.pathname}; /debug lists them.\n` }
    : reading
      ? await entry.page(url.searchParams)
      : { status: 405, body: 'These pages are only read: GET or HEAD.\n' };
  const body = textOf(result.body);
  const type = result.type ?? (typeof result.body === 'string' ? 'text/plain; charset=utf-8' : 'application/json');
  response.writeHead(result.status ?? 200, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Serves the pages. A page that throws answers 500 and is reported. */
export async function startHttp(
  address: Address,
  pages: Readonly<Record<string, Entry>>,
  onError: (error: unknown, path: string) => void,
): Promise<HttpServer> {
  const server = createServer({ requestTimeout: 10_000, maxHeaderSize: 16 * 1024 }, (request, response) => {
    answer(pages, request, response).catch((error: unknown) => {
      onError(error, request.url ?? '/');
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
      response.end('This page failed; the log says why.\n');
    });
  });
  server.maxConnections = 256;
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

import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { type Application, serveHttp } from '../support/http.ts';

/** What a backend says of a request that it got; the body of its answer. */
export interface Received {
  readonly pod: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** An application without an Envoy that keeps what it was asked. */
export interface Backend {
  readonly name: string;
  readonly address: string;
  readonly received: readonly Received[];
  close(): void;
}

/**
 * Starts one. Requests say how they want to be answered: `x-fail: n` with status 503 the first n times that their `x-request` is seen,
 * `x-delay: ms` late.
 */
export async function startBackend(name: string, address: string, port: number): Promise<Backend> {
  const received: Received[] = [];
  const attempts = new Map<string, number>();
  const server: Application = await serveHttp(
    async (request, response) => {
      const { headers } = request;
      const said: Received = { pod: name, path: request.url ?? '', headers };
      received.push(said);
      const id = String(headers['x-request'] ?? '');
      const attempt = (attempts.get(id) ?? 0) + 1;
      attempts.set(id, attempt);
      if (headers['x-delay']) await pause(Number(headers['x-delay']), undefined, { ref: false });
      const status = attempt <= Number(headers['x-fail'] ?? 0) ? 503 : 200;
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(said));
    },
    address,
    port,
  );
  return { name, address, received, close: () => server.close() };
}

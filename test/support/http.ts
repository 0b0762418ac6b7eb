import { Agent, createServer, type IncomingHttpHeaders, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An answer, whole. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly ms: number;
}

/** Where and what to ask. `host` is the name in the request's Host header; `address` is where it goes. */
export interface Call {
  readonly address: string;
  readonly port: number;
  readonly host: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: Agent;
}

/** Connections that are kept, as applications keep them. */
export const connections = new Agent({ keepAlive: true });

/** One request over HTTP/1.1; rejects only where no answer came. */
export function call(options: Call): Promise<Answer> {
  const { address, port, host, path = '/', method = 'GET', headers = {}, agent = connections } = options;
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request({ host: address, port, path, method, agent, headers: { host, ...headers } }, response => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, ms: performance.now() - began }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** A server of an application. */
export interface Application {
  readonly port: number;
  close(): void;
}

/** Serves on an address, on a free port unless one is given. */
export async function serveHttp(listener: RequestListener, address = '127.0.0.1', port = 0): Promise<Application> {
  const server = createServer({ keepAliveTimeout: 0 }, listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import type { Server } from 'node:net';
import { createServer } from 'node:tls';
import type { Call } from '../../src/grpc/call.ts';
import { status } from '../../src/grpc/status.ts';
import { ServerTls } from '../../src/tls.ts';
import { adsMethods } from '../../src/xds/ads-server.ts';
import { framed, unframed } from '../support/grpc-frame.ts';
import { servePort } from '../support/grpc-port.ts';

/** A server's certificate with its key, in PEM. */
export interface Shown {
  readonly cert: string;
  readonly key: string;
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('a server without a port');
  return address.port;
}

/** The floor of a handshake: Node's TLS with this certificate, and nothing behind it. Resolves with its port. */
export const handshakeFloor = (shown: Shown): Promise<number> =>
  listening(createServer({ ...shown, ALPNProtocols: ['h2'] }, socket => socket.on('error', () => {})));

/** The floor of a stream: Node's HTTP/2 over TLS, which answers each message with so many bytes and reads nothing in it. Resolves with its port. */
export function streamFloor(shown: Shown, bytes: number): Promise<number> {
  const answer = framed(Buffer.alloc(bytes));
  const server = createSecureServer(shown);
  server.on('sessionError', () => {});
  server.on('stream', stream => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.on('error', () => {});
    stream.on(
      'data',
      unframed(() => stream.write(answer)),
    );
  });
  return listening(server);
}

/** What is between: this project's gRPC server at a TLS port, with its bounds, which answers likewise. Resolves with its port. */
export async function callFloor({ cert, key }: Shown, root: string, bytes: number): Promise<number> {
  const answer = framed(Buffer.alloc(bytes));
  const answering = (call: Call): void =>
    call.listen({
      message() {
        call.admit();
        call.write([answer], () => {});
      },
      end: () => call.end(status.OK, ''),
      close: () => {},
    });
  const tls = new ServerTls('h2', { certificate: cert, key, clientRoots: [root] });
  return (await servePort({ [adsMethods.delta]: answering }, { tls })).port;
}

import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { encode } from '../../src/proto/message.ts';
import { adsMethods } from '../../src/xds/ads-server.ts';
import { resourceTypes } from '../../src/xds/resource-types.ts';
import { framed, unframed } from '../support/grpc-frame.ts';
import { proxyNode, tokenOf } from './proxy-node.ts';
import type { Secure } from './streams.ts';

/** What the parent process has clients do: each connects anew, and stays until all are told to leave. */
export interface Visit extends Secure {
  readonly port: number;
  /** A handshake alone, the answer to a first request for clusters, or a certificate for this CSR. */
  readonly wants: 'handshake' | 'answer' | { readonly csr: string };
  readonly clients: number;
  /** Clients of equal rounds show equal tokens. */
  readonly round: number;
  /** How many are under way at once, and milliseconds from one that is done to the next. */
  readonly atOnce: number;
  readonly pause: number;
}

/** Milliseconds from the first connection to the last one's answer, and the bytes of the answers. */
export interface Visited {
  readonly ms: number;
  readonly bytes: number;
}

/** A connection; resolves once its handshake is over. */
const secured = ({ port, root, servername }: Visit): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, ca: root, servername, ALPNProtocols: ['h2'] };
    const socket = connect(options, () => resolve(socket)).once('error', reject);
  });

/** What the n-th client asks for, as the path of the method and the message. */
function requestOf(wants: Exclude<Visit['wants'], 'handshake'>, index: number): readonly [path: string, Buffer] {
  if (wants === 'answer') {
    const request = { type_url: resourceTypes.cluster.typeUrl, node: proxyNode(index, 1) };
    return [adsMethods.delta, encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', request)];
  }
  const request = { csr: wants.csr, validity_duration: 86_400 };
  return [
    '/istio.v1.auth.IstioCertificateService/CreateCertificate',
    encode('istio.v1.auth.IstioCertificateRequest', request),
  ];
}

/** The size of what is answered to the n-th client. */
function answered(socket: TLSSocket, { wants, round }: Visit, index: number): Promise<number> {
  if (wants === 'handshake') return Promise.resolve(0);
  const [path, message] = requestOf(wants, index);
  const session = connectHttp2('https://localhost', { createConnection: () => socket });
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${tokenOf(proxyNode(index, 1), `round-${round}`)}`,
  });
  stream.write(framed(message));
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    stream.on('error', reject);
    stream.once('close', () => reject(new Error('the stream ended without an answer')));
    stream.on(
      'data',
      unframed(bytes => resolve(bytes.length)),
    );
  });
}

const open: TLSSocket[] = [];

async function visit(order: Visit): Promise<Visited> {
  const began = performance.now();
  let next = 0;
  let bytes = 0;
  const visitor = async (): Promise<void> => {
    while (next < order.clients) {
      const index = next++;
      const socket = await secured(order);
      open.push(socket);
      bytes += await answered(socket, order, index);
      if (order.pause > 0) await sleep(order.pause);
    }
  };
  await Promise.all(Array.from({ length: order.atOnce }, visitor));
  return { ms: performance.now() - began, bytes };
}

async function leave(): Promise<'gone'> {
  await Promise.all(open.splice(0).map(socket => once(socket.destroy(), 'close')));
  return 'gone';
}

process.on('message', (order: Visit | 'leave') => {
  const done = order === 'leave' ? leave() : visit(order);
  done.then(answer => process.send?.(answer));
});
process.on('disconnect', () => process.exit(0));

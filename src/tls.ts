import { constants, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { bounds } from './bounds.ts';

/** What a port shows of itself, and whose certificates it believes; all in PEM. */
export interface TlsIdentity {
  /** The certificate, and after it those that lead to its root. */
  readonly certificate: string | Buffer;
  readonly key: string | Buffer;
  /** The roots of clients' certificates. Where a port begins without them its clients are never asked for one. */
  readonly clientRoots?: readonly (string | Buffer)[];
}

/** Goes on with a connection that is secured. */
type Secured = (socket: TLSSocket, certificates: readonly X509Certificate[]) => void;

/** Why a client certificate is no proof, beside that a root has signed it; it is followed by what came behind it. Undefined where it is one. */
export type Verify = (certificates: readonly X509Certificate[]) => string | undefined;

/** Hears of connections that are cut off: from where, and why. */
export type CutOff = (peer: string | undefined, reason: string) => void;

/**
 * TLS on connections that its owner accepts, so that they are bounded before a handshake begins. A client may come without a certificate; one
 * whose certificate does not verify is cut off, as istiod does, and so is one that does not say that it speaks the protocol. No session is resumed or
 * negotiated anew: each connection is judged by what is believed when it begins.
 */
export class ServerTls {
  readonly #server: Server;
  /** Whose handshake is under way, by both ends of their connections: a TLS server does not say on which connection its socket stands. */
  readonly #handshakes = new Map<string, Secured>();
  readonly #protocol: string;
  readonly #verify: Verify;
  readonly #cutOff: CutOff;

  /** `protocol` is the only one that is spoken (ALPN): h2 or http/1.1. */
  constructor(protocol: string, identity: TlsIdentity, verify: Verify = () => undefined, cutOff: CutOff = () => {}) {
    this.#protocol = protocol;
    this.#verify = verify;
    this.#cutOff = cutOff;
    const options = {
      ALPNProtocols: [protocol],
      handshakeTimeout: bounds['first-request-ms'].most,
      requestCert: identity.clientRoots !== undefined,
      rejectUnauthorized: false,
      ...contextOptions(identity),
    };
    this.#server = createServer(options, secured => this.#secured(secured));
  }

  /** Connections that are open stay as they are; those that come are shown the new certificate, and judged by the new roots. */
  replace(identity: TlsIdentity): void {
    this.#server.setSecureContext(contextOptions(identity));
  }

  /** Begins a handshake. `secured` is called once it is over; where it fails the connection is closed. */
  accept(socket: Socket, secured: Secured): void {
    const ends = endsOf(socket);
    this.#handshakes.set(ends, secured);
    socket.once('close', () => {
      if (this.#handshakes.get(ends) === secured) this.#handshakes.delete(ends);
    });
    this.#server.emit('connection', socket);
  }

  #secured(socket: TLSSocket): void {
    const ends = endsOf(socket);
    const secured = this.#handshakes.get(ends);
    this.#handshakes.delete(ends);
    const certificates = clientCertificates(socket);
    const reason = this.#fault(socket, certificates);
    if (secured && reason === undefined) {
      secured(socket, certificates);
      return;
    }
    if (reason !== undefined) this.#cutOff(socket.remoteAddress, reason);
    socket.destroy();
  }

  #fault(socket: TLSSocket, certificates: readonly X509Certificate[]): string | undefined {
    // HTTP/1.1 is what is spoken where nothing is said.
    if (this.#protocol === 'h2' && socket.alpnProtocol !== 'h2') return 'the client does not offer HTTP/2 (ALPN h2)';
    if (!certificates.length) return undefined;
    if (!socket.authorized) return `the client certificate does not verify: ${socket.authorizationError}`;
    return this.#verify(certificates);
  }
}

/** A client that sends more than so many is taken for one that sends these. */
const LONGEST_CHAIN = 10;

/** What a client showed, its own certificate first; empty where it showed none. */
export function clientCertificates(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next && chain.length < LONGEST_CHAIN) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

const contextOptions = ({ certificate, key, clientRoots = [] }: TlsIdentity) => ({
  cert: certificate,
  key,
  minVersion: 'TLSv1.2' as const,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
  // Without a list the roots of the Web would be believed.
  ca: [...clientRoots],
});

const endsOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;

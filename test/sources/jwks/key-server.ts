import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Resolve } from '../../../src/sources/jwks/fetch.ts';
import type { KeyPair } from '../../support/certificate.ts';

/** A public key as a JWK. */
export function publicKey(kid: string): Readonly<Record<string, unknown>> {
  const { publicKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...key.export({ format: 'jwk' }), kid, alg: 'ES256' };
}

/** A real server on 127.0.0.1 whose answers may change. */
export class KeyServer {
  readonly #server: Server;
  readonly asked: string[] = [];
  answer: RequestListener = (_, response) => void response.writeHead(404).end();

  private constructor(identity: KeyPair | undefined) {
    const take: RequestListener = (request, response) => {
      this.asked.push(request.url ?? '');
      this.answer(request, response);
    };
    this.#server = identity
      ? createSecureServer({ cert: identity.certificate, key: identity.key }, take)
      : createServer(take);
  }

  /** With an identity it speaks TLS. */
  static async start(identity?: KeyPair): Promise<KeyServer> {
    const made = new KeyServer(identity);
    made.#server.listen(0, '127.0.0.1');
    await once(made.#server, 'listening');
    return made;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Answers everything with a JSON document. */
  serves(document: unknown): void {
    this.answer = (_, response) => void response.end(JSON.stringify(document));
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Every name is this machine. */
export const thisMachine: Resolve = async () => [{ address: '127.0.0.1', family: 4 }];

export const loopback = { allowed: ['127.0.0.0/8'], blocked: [] };

import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { KeyServer } from '../sources/jwks/key-server.ts';

/** A real OIDC issuer on 127.0.0.1: it says where its keys are, has them there, and signs tokens. */
export class OidcIssuer {
  readonly server: KeyServer;
  readonly url: string;
  #key: CryptoKey | undefined;
  #kid: string | undefined;
  #keys: JWK[] = [];

  private constructor(server: KeyServer) {
    this.server = server;
    this.url = `http://127.0.0.1:${server.port}`;
    server.answer = (request, response) => {
      const configuration = { issuer: this.url, jwks_uri: this.jwksUri };
      const at: Readonly<Record<string, object>> = {
        '/.well-known/openid-configuration': configuration,
        '/keys': { keys: this.#keys },
      };
      const found = at[request.url ?? ''];
      if (found) response.end(JSON.stringify(found));
      else response.writeHead(404).end();
    };
  }

  static async start(): Promise<OidcIssuer> {
    const made = new OidcIssuer(await KeyServer.start());
    await made.rotate('first');
    return made;
  }

  get jwksUri(): string {
    return `${this.url}/keys`;
  }

  /** Signs with another key from now on, which is published; without a name for it tokens do not say which it is. */
  async rotate(kid?: string, alg = 'ES256'): Promise<void> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    this.#key = privateKey;
    this.#kid = kid;
    this.#keys.push({ ...(await exportJWK(publicKey)), alg, ...(kid !== undefined && { kid }) });
  }

  /** Publishes the key that it signs with, and no other. */
  withdraw(): void {
    this.#keys = this.#keys.slice(-1);
  }

  /** A token of a service account, for an hour. */
  token(namespace: string, account: string, audience = 'istio-ca', claims: JWTPayload = {}): Promise<string> {
    const alg = this.#keys.at(-1)?.alg ?? '';
    return new SignJWT(claims)
      .setProtectedHeader({ alg, ...(this.#kid !== undefined && { kid: this.#kid }) })
      .setIssuer(this.url)
      .setSubject(`system:serviceaccount:${namespace}:${account}`)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(this.#key ?? new Uint8Array());
  }

  close(): void {
    this.server.close();
  }
}

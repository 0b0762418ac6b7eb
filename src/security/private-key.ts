import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  type X509Certificate,
} from 'node:crypto';
import { inspect } from 'node:util';
import { pemBlocks } from './pem.ts';

type CryptoKey = ReturnType<KeyObject['toCryptoKey']>;

/** How a key signs, in the terms of WebCrypto. */
export type SigningAlgorithm =
  | { readonly name: 'ECDSA'; readonly namedCurve: 'P-256' | 'P-384' | 'P-521'; readonly hash: string }
  | { readonly name: 'RSASSA-PKCS1-v1_5'; readonly hash: string };

/** The curves of which certificates are signed, by OpenSSL's names, with the hash that Go and OpenSSL use with each. */
const curves: Readonly<Record<string, SigningAlgorithm>> = {
  prime256v1: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  secp384r1: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  secp521r1: { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' },
};

/** The least that Envoy takes (BoringSSL, FIPS or not), and the most that is worth the time which it takes to check. */
const rsaBits = { least: 2_048, most: 8_192 };

/** What is wrong with a key of a certificate, of whichever half; undefined where nothing is. */
export function unfitKey({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string | undefined {
  if (type === 'rsa') {
    const bits = details?.modulusLength ?? 0;
    if (bits < rsaBits.least) return `an RSA key of ${bits} bits is too short, at least ${rsaBits.least} are needed`;
    return bits > rsaBits.most ? `an RSA key of ${bits} bits is too long, at most ${rsaBits.most} are read` : undefined;
  }
  if (type !== 'ec') return `expected an RSA or an EC key, found ${type}`;
  const curve = details?.namedCurve ?? 'explicit parameters';
  return curve in curves ? undefined : `expected an EC key on P-256, P-384 or P-521, found ${curve}`;
}

const hidden = '[private key]';

/**
 * A private key. Its bytes are in no log, error or dump: it prints as `[private key]`, and only `revealPem` gives them, for a Secret or a
 * proxy of whom it is the own.
 */
export class PrivateKey {
  readonly #key: KeyObject;
  #signing: CryptoKey | undefined;
  readonly algorithm: SigningAlgorithm;
  readonly publicKey: KeyObject;

  private constructor(key: KeyObject) {
    this.#key = key;
    this.publicKey = createPublicKey(key);
    this.algorithm = curves[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? {
      name: 'RSASSA-PKCS1-v1_5',
      hash: 'SHA-256',
    };
  }

  /** A new key, ECDSA P-256. */
  static generate(): PrivateKey {
    return new PrivateKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  }

  /** Reads PKCS#1, SEC1 and PKCS#8 in PEM, RSA and EC; gives what is wrong where there is no such key. */
  static read(pem: string): PrivateKey | string {
    const blocks = pemBlocks(pem).filter(({ label }) => label.endsWith('PRIVATE KEY'));
    const [block] = blocks;
    if (!block) return 'expected a private key in PEM (-----BEGIN PRIVATE KEY-----)';
    if (blocks.length > 1) return `expected one private key, found ${blocks.length}`;
    const type = { 'RSA PRIVATE KEY': 'pkcs1', 'EC PRIVATE KEY': 'sec1', 'PRIVATE KEY': 'pkcs8' }[block.label];
    if (block.label.startsWith('ENCRYPTED ') || /^Proc-Type: 4,ENCRYPTED/m.test(pem))
      return 'the private key is encrypted, and nobody is there to type its passphrase: store it decrypted (openssl pkey)';
    if (type !== 'pkcs1' && type !== 'sec1' && type !== 'pkcs8')
      return `expected a private key as PKCS#1, SEC1 or PKCS#8, found ${block.label}`;
    let key: KeyObject;
    try {
      key = createPrivateKey({ key: block.der, format: 'der', type });
    } catch {
      // OpenSSL's words are of no use to people, and who knows what is in them.
      return 'the private key cannot be read: it is damaged, or of a kind that is not known';
    }
    return unfitKey(key) ?? new PrivateKey(key);
  }

  /** Whether it is the key of the certificate. */
  matches(certificate: X509Certificate): boolean {
    return certificate.checkPrivateKey(this.#key);
  }

  /** The key for WebCrypto; it cannot be exported again. */
  get signingKey(): CryptoKey {
    this.#signing ??= this.#key.toCryptoKey(this.algorithm, false, ['sign']);
    return this.#signing;
  }

  /** The key itself, PKCS#8 in PEM. */
  revealPem(): string {
    return this.#key.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  toString(): string {
    return hidden;
  }

  toJSON(): string {
    return hidden;
  }

  [inspect.custom](): string {
    return hidden;
  }
}

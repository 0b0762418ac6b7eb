import { X509Certificate } from 'node:crypto';
import type { CertificateAuthority } from './authority.ts';
import { validityOf } from './certificate.ts';
import { clockSkew } from './issue.ts';
import { PrivateKey } from './private-key.ts';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from './x509.ts';

/** A root certificate and its key. */
export interface Root {
  readonly certificate: X509Certificate;
  readonly key: PrivateKey;
}

const DAY = 24 * 3_600_000;

/** How long a root lives, in milliseconds (istiod: CITADEL_SELF_SIGNED_CA_CERT_TTL). */
export const rootLife = 3_650 * DAY;

/**
 * Makes a root as istiod's, with an ECDSA key. It is valid from two minutes ago: a proxy whose clock is behind must trust it too. `now` is in
 * milliseconds since 1970.
 */
export async function makeRoot(trustDomain: string, now: number): Promise<Root> {
  const key = PrivateKey.generate();
  const publicKey = new Uint8Array(key.publicKey.export({ type: 'spki', format: 'der' }));
  const name = [{ O: [trustDomain] }];
  const made = await X509CertificateGenerator.create({
    subject: name,
    issuer: name,
    notBefore: new Date(now - clockSkew * 1_000),
    notAfter: new Date(now + rootLife),
    publicKey,
    signingKey: key.signingKey,
    signingAlgorithm: key.algorithm,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      new BasicConstraintsExtension(true, undefined, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return { certificate: new X509Certificate(Buffer.from(made.rawData)), key };
}

/** A root that signs by itself. */
export const rootAuthority = ({ certificate, key }: Root): CertificateAuthority => ({
  certificate,
  key,
  root: certificate,
  intermediates: [],
  roots: [certificate],
  notAfter: validityOf(certificate).notAfter,
});

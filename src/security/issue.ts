import type { KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { memo } from '../memo.ts';
import { type CertificateAuthority, rootBundle } from './authority.ts';
import { keyIdOf, structureOf } from './certificate.ts';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from './x509.ts';

const SECOND = 1_000;
const HOUR = 3_600;

/** How long leaves live, in seconds (istiod: DEFAULT_WORKLOAD_CERT_TTL and MAX_WORKLOAD_CERT_TTL). */
export const leafLife = { default: 24 * HOUR, most: 90 * 24 * HOUR } as const;

/** Seconds that a certificate is valid before it is made, for clocks that are behind (istio: ClockSkewGracePeriod). */
export const clockSkew = 120;

/** What a certificate is to say. */
export interface Leaf {
  readonly publicKey: KeyObject;
  /** SPIFFE ids, DNS names and IP addresses. */
  readonly names: readonly string[];
  /** Its subject's CN; the subject is empty without. */
  readonly commonName?: string | undefined;
  /** In seconds from now. */
  readonly life: number;
}

/** A certificate that was made, with what is sent and trusted beside it. */
export interface Issued {
  /** The leaf and what leads from it towards a root, one certificate in PEM each. */
  readonly chain: readonly string[];
  /** The roots to be trusted, in one PEM text. */
  readonly roots: string;
  /** The end of the leaf, in milliseconds since 1970. */
  readonly notAfter: number;
}

/** What istiod's leaves have, in its order; made once, since making an extension costs a tenth of a certificate. */
const common: readonly Extension[] = [
  new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
  new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
  new BasicConstraintsExtension(false, undefined, true),
];

/** What is the same in everything that a certificate signs. */
const issuerOf = memo((signer: X509Certificate) => {
  const keyId = keyIdOf(signer);
  return {
    // Byte for byte the signer's subject: Go compares names as bytes.
    name: new Name(structureOf(signer).subjectName.toArrayBuffer()),
    extensions: keyId === undefined ? common : [...common, new AuthorityKeyIdentifierExtension(keyId)],
  };
});

/** How many names are remembered; a mesh has fewer service accounts that renew at a time. */
const mostNames = 1_024;
const nameExtensions = new Map<string, Extension>();

/** The extension of names, critical. Pods of one service account share it: it is a tenth of a certificate, too. */
function namesExtension(names: readonly string[]): Extension {
  const key = names.join();
  const known = nameExtensions.get(key);
  if (known) return known;
  const made = new SubjectAlternativeNameExtension(
    names.map(value => ({ type: kindOf(value), value })),
    true,
  );
  if (nameExtensions.size >= mostNames) nameExtensions.clear();
  nameExtensions.set(key, made);
  return made;
}

const kindOf = (name: string): 'url' | 'ip' | 'dns' =>
  name.startsWith('spiffe://') ? 'url' : isIP(name) ? 'ip' : 'dns';

/**
 * Signs a leaf as istiod does: for servers and clients, valid from two minutes ago, to the end of its life or of who signs it. Its names are
 * critical, since its subject is empty. `now` is in milliseconds since 1970.
 */
export async function issue(authority: CertificateAuthority, leaf: Leaf, now: number): Promise<Issued> {
  const issuer = issuerOf(authority.certificate);
  const notAfter = Math.min(now + leaf.life * SECOND, authority.notAfter);
  const certificate = await X509CertificateGenerator.create({
    subject: leaf.commonName === undefined ? '' : [{ CN: [leaf.commonName] }],
    issuer: issuer.name,
    notBefore: new Date(now - clockSkew * SECOND),
    notAfter: new Date(notAfter),
    publicKey: new Uint8Array(leaf.publicKey.export({ type: 'spki', format: 'der' })),
    signingKey: authority.key.signingKey,
    signingAlgorithm: authority.key.algorithm,
    extensions: [...issuer.extensions, namesExtension(leaf.names)],
  });
  return {
    chain: [`${certificate.toString('pem')}\n`, ...authority.intermediates.map(String)],
    roots: rootBundle(authority),
    notAfter,
  };
}

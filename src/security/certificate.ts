import { X509Certificate } from 'node:crypto';
import { memo } from '../memo.ts';
import { pemBlocks } from './pem.ts';
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Structure,
} from './x509.ts';

/** When a certificate is valid, in milliseconds since 1970. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** When a certificate is valid. */
export const validityOf = ({ validFromDate, validToDate }: X509Certificate): Validity => ({
  notBefore: validFromDate.getTime(),
  notAfter: validToDate.getTime(),
});

/** Milliseconds since 1970 as people read them: `2026-11-27T16:03:27Z`. */
export const timeText = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

/** Why a certificate is not valid at a time; undefined where it is. */
export function untimely(certificate: X509Certificate, now: number): string | undefined {
  const { notBefore, notAfter } = validityOf(certificate);
  if (now >= notAfter) return `expired at ${timeText(notAfter)}`;
  return now < notBefore ? `is not valid before ${timeText(notBefore)}` : undefined;
}

/** The certificates of a PEM text in their order, or what is wrong with it. Other blocks, such as parameters, are skipped. */
export function readCertificates(pem: string): readonly X509Certificate[] | string {
  const blocks = pemBlocks(pem).filter(({ label }) => label === 'CERTIFICATE' || label === 'TRUSTED CERTIFICATE');
  if (!blocks.length && pem.trim()) return 'expected certificates in PEM (-----BEGIN CERTIFICATE-----)';
  const certificates: X509Certificate[] = [];
  for (const [index, { der }] of blocks.entries())
    try {
      const certificate = new X509Certificate(der);
      // The library reads extensions more strictly than OpenSSL does.
      if (structureOf(certificate).extensions.length >= 0) certificates.push(certificate);
    } catch {
      return `certificate ${index + 1} of ${blocks.length} cannot be read: it is damaged`;
    }
  return certificates;
}

/** Certificates in one PEM text. */
export const pemOf = (certificates: readonly X509Certificate[]): string => certificates.map(String).join('');

/** The structure with its names and extensions. */
export const structureOf = memo(
  (certificate: X509Certificate): X509Structure => new X509Structure(new Uint8Array(certificate.raw)),
);

/** Whether two certificates are the same, byte for byte. */
export const isSame = (a: X509Certificate, b: X509Certificate): boolean => a.raw.equals(b.raw);

/** The certificates, each once. */
export const distinct = (certificates: readonly X509Certificate[]): readonly X509Certificate[] =>
  certificates.filter((one, index) => certificates.findIndex(other => isSame(one, other)) === index);

/** Whether it is signed with its own key. */
export const isSelfSigned = (certificate: X509Certificate): boolean =>
  certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);

/** Why a certificate may not sign others; undefined where it may. */
export function unfitSigner(certificate: X509Certificate): string | undefined {
  const structure = structureOf(certificate);
  if (!structure.getExtension(BasicConstraintsExtension)?.ca) return 'is no CA (basicConstraints is to be CA:TRUE)';
  const usages = structure.getExtension(KeyUsagesExtension)?.usages;
  return usages !== undefined && !(usages & KeyUsageFlags.keyCertSign)
    ? 'may not sign certificates (keyUsage is to have keyCertSign)'
    : undefined;
}

/** How many CAs may stand between this one and a leaf; Infinity where it does not say. */
export const pathLengthOf = (certificate: X509Certificate): number =>
  structureOf(certificate).getExtension(BasicConstraintsExtension)?.pathLength ?? Number.POSITIVE_INFINITY;

/** The subject key identifier, in hex; undefined where there is none. */
export const keyIdOf = (certificate: X509Certificate): string | undefined =>
  structureOf(certificate).getExtension(SubjectKeyIdentifierExtension)?.keyId;

/** The URIs among the subject alternative names. */
export const uriNames = (certificate: X509Certificate): readonly string[] =>
  (structureOf(certificate).getExtension(SubjectAlternativeNameExtension)?.names.items ?? []).flatMap(
    ({ type, value }) => (type === 'url' ? [value] : []),
  );

import type { X509Certificate } from 'node:crypto';
import { isSame, pathLengthOf, structureOf, unfitSigner, untimely } from './certificate.ts';

/** Whether it is of X.509 version 1, which cannot say that it is a CA. Go and OpenSSL take such a one where it is trusted as a root. */
const isOldRoot = (certificate: X509Certificate): boolean => structureOf(certificate).extensions.length === 0;

/** Certificates from one to its root; each is signed by the next. */
export type CertificatePath = readonly X509Certificate[];

/**
 * How a certificate leads to one of the roots at a time: signatures, validity, who may sign, and how many CAs may follow. Undefined where it
 * does not. Every intermediate is looked at once, so that many of the same name cost no more than their number.
 */
export function pathToRoot(
  certificate: X509Certificate,
  intermediates: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  now: number,
): CertificatePath | undefined {
  if (untimely(certificate, now) !== undefined) return undefined;
  const left = new Set(intermediates);
  // A path length counts CAs alone: a leaf at the bottom is none.
  const leaves = unfitSigner(certificate) === undefined ? 0 : 1;

  const hasSigned = (issuer: X509Certificate, subject: X509Certificate, casBelow: number): boolean =>
    subject.checkIssued(issuer) &&
    untimely(issuer, now) === undefined &&
    (unfitSigner(issuer) === undefined || isOldRoot(issuer)) &&
    pathLengthOf(issuer) >= casBelow &&
    subject.verify(issuer.publicKey);

  const climb = (path: CertificatePath): CertificatePath | undefined => {
    const top = path.at(-1) ?? certificate;
    if (roots.some(root => isSame(root, top))) return path;
    const casBelow = path.length - leaves;
    const root = roots.find(candidate => hasSigned(candidate, top, casBelow));
    if (root) return [...path, root];
    for (const candidate of left) {
      if (isOldRoot(candidate) || !hasSigned(candidate, top, casBelow)) continue;
      left.delete(candidate);
      const found = climb([...path, candidate]);
      if (found) return found;
    }
    return undefined;
  };
  return climb([certificate]);
}

import type { X509Certificate } from 'node:crypto';
import type { CertificateAuthority } from './authority.ts';
import { isSame, type Validity, validityOf } from './certificate.ts';

/** The part of a certificate's life that is over: 0 at its beginning, 1 and more once it has expired. */
export const lifeUsed = ({ notBefore, notAfter }: Validity, now: number): number =>
  notAfter > notBefore ? Math.max(0, (now - notBefore) / (notAfter - notBefore)) : Number.POSITIVE_INFINITY;

/** The parts of a life, in percent, at which a person is told. */
export const milestones = [50, 75, 90] as const;
export type Milestone = (typeof milestones)[number];

/** The last milestone that a life has passed; undefined before the first. An Event is due where it is another than the last one told. */
export const milestoneOf = (validity: Validity, now: number): Milestone | undefined =>
  milestones.findLast(percent => lifeUsed(validity, now) * 100 >= percent);

/** When a life passes its next milestone, in milliseconds since 1970; Infinity where it has passed them all. */
export const nextMilestone = ({ notBefore, notAfter }: Validity, now: number): number =>
  Math.min(...milestones.map(percent => notBefore + ((notAfter - notBefore) * percent) / 100).filter(at => at > now));

/** A certificate whose end is watched. */
export interface WatchedCertificate {
  readonly role: 'root' | 'intermediate' | 'serving';
  readonly certificate: X509Certificate;
}

/** How far a certificate has come: for metrics, and for Events. */
export interface CertificateLife {
  readonly role: WatchedCertificate['role'];
  readonly serialNumber: string;
  /** In seconds since 1970, as istiod's `citadel_server_root_cert_expiry_timestamp` is. */
  readonly expiry: number;
  /** Negative once it has expired. */
  readonly secondsLeft: number;
  readonly used: number;
  readonly milestone: Milestone | undefined;
}

/** The certificates that a mesh hangs on: its roots, who signs below them, and that of its ports. */
export const watchedCertificates = (
  { certificate, roots }: CertificateAuthority,
  serving?: X509Certificate,
): readonly WatchedCertificate[] => [
  ...roots.map(root => ({ role: 'root', certificate: root }) as const),
  ...(roots.some(root => isSame(root, certificate)) ? [] : [{ role: 'intermediate', certificate } as const]),
  ...(serving ? [{ role: 'serving', certificate: serving } as const] : []),
];

/** How far a certificate has come. `now` is in milliseconds since 1970. */
export function certificateLife({ role, certificate }: WatchedCertificate, now: number): CertificateLife {
  const validity = validityOf(certificate);
  return {
    role,
    serialNumber: certificate.serialNumber,
    expiry: validity.notAfter / 1_000,
    secondsLeft: (validity.notAfter - now) / 1_000,
    used: lifeUsed(validity, now),
    milestone: milestoneOf(validity, now),
  };
}

import type { X509Certificate } from 'node:crypto';
import type { CertificateAuthority } from './authority.ts';
import { distinct, isSame, validityOf } from './certificate.ts';
import { lifeUsed } from './certificate-life.ts';
import { leafLife } from './issue.ts';

/**
 * Where the mesh is on its way from one authority to another. No step of it makes a peer distrust another one:
 *
 * | step | signs | trusted | ends when |
 * |---|---|---|---|
 * | `settled` | signer | its roots | another authority is there: `begin` |
 * | `distribute` | signer | its roots and those of `next` | every proxy trusts both |
 * | `sign` | what was `next` | the same | every proxy has a leaf of the new signer |
 */
export interface Rotation {
  /** Grows with every step. */
  readonly generation: number;
  /** When the step began, in milliseconds since 1970. */
  readonly since: number;
  readonly signer: CertificateAuthority;
  /** Is to sign once everybody trusts it. */
  readonly next?: CertificateAuthority | undefined;
  /** Roots of the signers before, which leaves still come from. */
  readonly earlier: readonly X509Certificate[];
}

export type RotationStep = 'settled' | 'distribute' | 'sign';

/** The step that a rotation is in. */
export const stepOf = ({ next, earlier }: Rotation): RotationStep =>
  next ? 'distribute' : earlier.length ? 'sign' : 'settled';

/** Names a step: no other step of any rotation has the same name. */
export const stepId = ({ generation, since }: Rotation): string => `${generation}@${since}`;

/** An authority with nothing before or after it. */
export const settled = (signer: CertificateAuthority, now: number): Rotation => ({
  generation: 0,
  since: now,
  signer,
  earlier: [],
});

/** Who signs and whom proxies trust at this step. Old roots stand before new ones at every step, so that what proxies have stays the same. */
export const authorityOf = (rotation: Rotation): CertificateAuthority => {
  const { signer, next, earlier } = rotation;
  return { ...signer, roots: distinct([...earlier, ...signer.roots, ...(next?.roots ?? [])]), step: stepId(rotation) };
};

const trusts = ({ roots }: CertificateAuthority, { root }: CertificateAuthority): boolean =>
  roots.some(other => isSame(other, root));

/**
 * Begins to go over to another authority. Where the two trust one another's roots (another intermediate below the same root, a root more or
 * less beside it) it signs at once. One that comes while another is still to be distributed takes its place.
 */
export function begin(rotation: Rotation, next: CertificateAuthority, now: number): Rotation {
  const { signer, earlier } = rotation;
  const generation = rotation.generation + 1;
  return trusts(signer, next) && trusts(next, signer)
    ? { generation, since: now, signer: next, earlier }
    : { generation, since: now, signer, next, earlier };
}

/** How long a step lasts at least, in milliseconds: proxies that are not connected right now, and other replicas, are to hear of it. */
export interface Pace {
  readonly beforeSigning: number;
  /** Leaves of proxies that are not connected end meanwhile. */
  readonly beforeDropping: number;
}

/** The pace where a mesh does not set its own: an hour, and the life of a leaf. */
export const usualPace: Pace = { beforeSigning: 3_600_000, beforeDropping: leafLife.default * 1_000 };

/** Whether a step has lasted as long as it is to last at least. */
export const isOver = (rotation: Rotation, now: number, pace: Pace): boolean =>
  now - rotation.since >= (rotation.next ? pace.beforeSigning : pace.beforeDropping);

/** Takes the next step if nobody is waited for and the time of this one is over; the same rotation otherwise, and where it is settled. */
export function proceed(rotation: Rotation, waitedFor: number, now: number, pace: Pace): Rotation {
  const { generation, signer, next, earlier } = rotation;
  if (waitedFor || !isOver(rotation, now, pace)) return rotation;
  const step = { generation: generation + 1, since: now };
  if (next) return { ...step, signer: next, earlier: distinct([...earlier, ...signer.roots]) };
  return earlier.length ? { ...step, signer, earlier: [] } : rotation;
}

/** Of a root's life, the part after which another is made (istiod: CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE is 20). */
const dueAfter = 0.8;

/** Whether a self-signed root is old enough to be replaced, and nothing is on its way yet. */
export const isDue = (rotation: Rotation, now: number): boolean =>
  stepOf(rotation) === 'settled' && lifeUsed(validityOf(rotation.signer.certificate), now) >= dueAfter;

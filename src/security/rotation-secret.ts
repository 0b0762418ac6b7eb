import { type AuthorityFields, type CertificateAuthority, readAuthority } from './authority.ts';
import { caSecret } from './ca-secret.ts';
import { cacertsSecret } from './cacerts.ts';
import { isSame, pemOf, readCertificates } from './certificate.ts';
import { type Read, unread } from './fault.ts';
import { type Rotation, stepOf } from './rotation.ts';
import { encoded, type SecretData, textOf } from './secret-data.ts';

/**
 * The Secret in which the leader says what is in force, and every replica reads it: also after a restart, and where `cacerts` holds another
 * authority by then. So it has the keys, those of `cacerts` as well: who may read it may read that.
 */
export const rotationSecret = { name: 'pilotlight-ca-rotation', type: 'pilotlight.io/ca-rotation' } as const;

/** The Secrets that an authority comes from. */
export type AuthoritySource = typeof cacertsSecret | typeof caSecret.name;

/** What is in force, and where it comes from. */
export interface AuthorityInForce {
  readonly rotation: Rotation;
  /** Of the authority that signs, or is to sign. */
  readonly source: AuthoritySource;
  /** The leader has made the root that is to sign. `istio-ca-secret` has the one that signs until then. */
  readonly isMade: boolean;
}

const ROTATION = 'rotation.json';
const EARLIER = 'earlier-root-cert.pem';

const part = (data: SecretData, field: string) => ({ field, pem: textOf(data, field) });

const fieldsOf = (data: SecretData, prefix: string): AuthorityFields => ({
  certificate: part(data, `${prefix}ca-cert.pem`),
  key: part(data, `${prefix}ca-key.pem`),
  chain: part(data, `${prefix}cert-chain.pem`),
  roots: part(data, `${prefix}root-cert.pem`),
});

const textsOf = ({ certificate, key, intermediates, roots }: CertificateAuthority, prefix: string) => ({
  [`${prefix}ca-cert.pem`]: pemOf([certificate]),
  [`${prefix}ca-key.pem`]: key.revealPem(),
  [`${prefix}cert-chain.pem`]: pemOf(intermediates.filter(other => !isSame(other, certificate))),
  [`${prefix}root-cert.pem`]: pemOf(roots),
});

interface Progress {
  readonly step: string;
  readonly generation: number;
  readonly since: number;
  readonly source: AuthoritySource;
  readonly isMade: boolean;
}

function progressOf(text: string): Progress | undefined {
  try {
    const { step, generation, since, source, isMade } = JSON.parse(text) as Partial<Progress>;
    return typeof step === 'string' &&
      Number.isSafeInteger(generation) &&
      Number.isFinite(since) &&
      (source === cacertsSecret || source === caSecret.name)
      ? { step, generation: Number(generation), since: Number(since), source, isMade: isMade === true }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Reads what is in force. It is read back whole or not at all: nobody guesses who is trusted. */
export function readRotationSecret(data: SecretData, now: number): Read<AuthorityInForce> {
  const progress = progressOf(textOf(data, ROTATION));
  if (!progress)
    return unread(
      ROTATION,
      'expected {"step", "generation", "since", "source"} as they were written: restore the Secret',
    );
  // What has expired since it was written is read all the same: what follows it is asked when it is to sign.
  const at = Math.min(now, progress.since);
  const signer = readAuthority(fieldsOf(data, ''), at);
  if (!signer.ok) return signer;
  const next = `next-ca-cert.pem` in data ? readAuthority(fieldsOf(data, 'next-'), at) : undefined;
  if (next && !next.ok) return next;
  const earlier = readCertificates(textOf(data, EARLIER));
  if (typeof earlier === 'string') return unread(EARLIER, earlier);
  const { step, generation, since, source, isMade } = progress;
  const rotation = { generation, since, signer: signer.value, next: next?.value, earlier };
  return stepOf(rotation) === step
    ? { ok: true, value: { rotation, source, isMade }, faults: [] }
    : unread(ROTATION, `its step is ${step}, the other fields are those of ${stepOf(rotation)}: restore the Secret`);
}

/** What the Secret is to hold. The private keys are in it: it goes to the API server alone. */
export function rotationSecretData({ rotation, source, isMade }: AuthorityInForce): SecretData {
  const { signer, next, earlier, generation, since } = rotation;
  return encoded({
    [ROTATION]: JSON.stringify({ step: stepOf(rotation), generation, since, source, isMade } satisfies Progress),
    ...textsOf(signer, ''),
    ...(next && textsOf(next, 'next-')),
    ...(earlier.length && { [EARLIER]: pemOf(earlier) }),
  });
}

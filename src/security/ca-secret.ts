import type { X509Certificate } from 'node:crypto';
import { type AuthorityFields, type CertificateAuthority, readAuthority, rootBundle } from './authority.ts';
import { pemOf, readCertificates } from './certificate.ts';
import { type Read, type SecretData, textOf, unread } from './fault.ts';
import { authorityOf, type Rotation, stepOf } from './rotation.ts';

/** The Secret that holds a self-signed root, as istiod keeps it. */
export const caSecret = { name: 'istio-ca-secret', type: 'istio.io/ca-root' } as const;

/** Fields of ours beside istiod's, of which it takes no notice. */
const ROTATION = 'rotation.json';
const NEXT_CERTIFICATE = 'next-ca-cert.pem';
const NEXT_KEY = 'next-ca-key.pem';
const EARLIER = 'earlier-root-cert.pem';

const rootFields = (data: SecretData, certificate: string, key: string): AuthorityFields => ({
  certificate: { field: certificate, pem: textOf(data, certificate) },
  key: { field: key, pem: textOf(data, key) },
});

interface Progress {
  readonly step: string;
  readonly generation: number;
  readonly since: number;
}

function progressOf(text: string): Progress | undefined {
  try {
    const { step, generation, since } = JSON.parse(text) as Partial<Progress>;
    return typeof step === 'string' && Number.isSafeInteger(generation) && Number.isFinite(since)
      ? { step, generation: Number(generation), since: Number(since) }
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads the Secret: istiod's, whose root is taken over as it is, or ours, with how far a rotation has come. As istiod, it does not look at
 * `root-cert.pem`, `cert-chain.pem` and `key.pem`.
 */
export function readCaSecret(data: SecretData, now: number): Read<Rotation> {
  const signer = readAuthority(rootFields(data, 'ca-cert.pem', 'ca-key.pem'), now);
  if (!signer.ok) return signer;
  const { value, faults } = signer;
  const text = textOf(data, ROTATION);
  if (!text) return { ok: true, value: { generation: 0, since: now, signer: value, earlier: [] }, faults };

  const progress = progressOf(text);
  if (!progress)
    return unread(ROTATION, 'expected {"step", "generation", "since"} as they were written: restore the Secret');
  let next: CertificateAuthority | undefined;
  if (NEXT_CERTIFICATE in data) {
    const read = readAuthority(rootFields(data, NEXT_CERTIFICATE, NEXT_KEY), now);
    if (!read.ok) return read;
    next = read.value;
  }
  const earlier: readonly X509Certificate[] | string = readCertificates(textOf(data, EARLIER));
  if (typeof earlier === 'string') return unread(EARLIER, earlier);
  const rotation = { generation: progress.generation, since: progress.since, signer: value, next, earlier };
  return stepOf(rotation) === progress.step
    ? { ok: true, value: rotation, faults }
    : unread(
        ROTATION,
        `its step is ${progress.step}, the other fields are those of ${stepOf(rotation)}: restore the Secret`,
      );
}

/**
 * What the Secret is to hold: a rotation of self-signed roots, and for an istiod that takes over the root that signs now. The private keys are
 * in it: it goes to the API server alone.
 */
export function caSecretData(rotation: Rotation): SecretData {
  const { signer, next, earlier, generation, since } = rotation;
  if (signer.intermediates.length || next?.intermediates.length) throw new Error('only roots of our own are stored');
  const fields: Readonly<Record<string, string>> = {
    'ca-cert.pem': pemOf([signer.certificate]),
    'ca-key.pem': signer.key.revealPem(),
    'cert-chain.pem': '',
    'key.pem': '',
    'root-cert.pem': rootBundle(authorityOf(rotation)),
    [ROTATION]: JSON.stringify({ step: stepOf(rotation), generation, since } satisfies Progress),
    ...(next && { [NEXT_CERTIFICATE]: pemOf([next.certificate]), [NEXT_KEY]: next.key.revealPem() }),
    ...(earlier.length && { [EARLIER]: pemOf(earlier) }),
  };
  return Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, Buffer.from(text)]));
}

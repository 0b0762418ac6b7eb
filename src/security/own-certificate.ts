import type { CertificateAuthority } from './authority.ts';
import { type Issued, issue } from './issue.ts';
import { PrivateKey } from './private-key.ts';

/** A certificate with the key that was made for it. */
export interface OwnCertificate extends Issued {
  readonly key: PrivateKey;
}

/**
 * Signs a certificate for a new key: that of the control plane's ports, for its DNS names, or that of a workload whose Envoy has no agent to
 * make one, for its SPIFFE id. `life` is in seconds; `now` in milliseconds since 1970.
 */
export async function ownCertificate(
  authority: CertificateAuthority,
  names: readonly string[],
  life: number,
  now: number,
): Promise<OwnCertificate> {
  const key = PrivateKey.generate();
  return { ...(await issue(authority, { publicKey: key.publicKey, names, life }, now)), key };
}

/** How long the certificate of the control plane's ports lives, in seconds. istiod's lives ten years; this one is renewed while it serves. */
export const servingLife = 90 * 24 * 3_600;

/** Where the control plane is found. */
export interface ServingPlace {
  /** `istio-system` */
  readonly namespace: string;
  /** Empty for the default one. */
  readonly revision: string;
  /** istiod's ISTIOD_CUSTOM_HOST. */
  readonly customHosts: readonly string[];
}

/** The DNS names that proxies and API servers know the control plane by: istiod's own (istio: getDNSNames), sorted. */
export function servingNames({ namespace, revision, customHosts }: ServingPlace): readonly string[] {
  const hosts = ['istiod', 'istiod-remote', 'istio-pilot'];
  if (revision && revision !== 'default') hosts.push(`istiod-${revision}`);
  return [...new Set([...customHosts, ...hosts.map(host => `${host}.${namespace}.svc`)])].sort();
}

/**
 * When a certificate is to be renewed, in milliseconds since 1970: at half its life, and up to `spread` (0 to 1) of a tenth of it sooner, so
 * that those which were made together are not renewed together.
 */
export const renewalTime = (made: number, notAfter: number, spread: number): number =>
  made + (notAfter - made) * (0.5 - 0.1 * spread);

import { type CertificateAuthority, isSameAuthority } from './authority.ts';
import { caSecret } from './ca-secret.ts';
import { cacertsSecret } from './cacerts.ts';
import { isSame, readCertificates } from './certificate.ts';
import type { Fault, Read } from './fault.ts';
import { begin, settled } from './rotation.ts';
import { type AuthorityInForce, type AuthoritySource, rotationSecret } from './rotation-secret.ts';

/** What the Secrets of the system namespace say now; undefined where there is no such Secret. */
export interface FoundSecrets {
  readonly cacerts: Read<CertificateAuthority> | undefined;
  readonly caSecret: Read<CertificateAuthority> | undefined;
  readonly rotation: Read<AuthorityInForce> | undefined;
  /** The roots that pods mount, as PEM: what was in force last, whoever was the control plane. */
  readonly mounted: string;
}

/** A fault with the Secret that it is in. */
export interface SecretFault extends Fault {
  readonly secret: string;
}

/** The authority that the mesh is to have in the end, and the Secret that brings it. */
export interface WantedAuthority {
  readonly source: AuthoritySource;
  readonly authority: CertificateAuthority;
}

/** Which authority is in force. */
export type Choice =
  | {
      readonly do: 'serve';
      readonly inForce: AuthorityInForce;
      /** Undefined where the Secret that brings it is broken or gone. */
      readonly wanted: WantedAuthority | undefined;
      readonly faults: readonly SecretFault[];
    }
  /** There never was one: a root is made. */
  | { readonly do: 'make' }
  /** What is there cannot be used, and nothing is in force yet. Nobody makes a root beside it. */
  | { readonly do: 'refuse'; readonly faults: readonly SecretFault[] };

const faultOf = (secret: string, message: string): SecretFault => ({ secret, field: '', message, severity: 'error' });

/** An authority with nothing before it. */
const alone = ({ source, authority }: WantedAuthority, now: number): AuthorityInForce => ({
  rotation: settled(authority, now),
  source,
  isMade: false,
});

const hasExpired = ({ rotation }: AuthorityInForce, now: number): boolean => now >= rotation.signer.notAfter;

/** Whether an istiod has served since the leader wrote down what is in force: pods trust its root, and not what is written there. */
function isOutdated({ rotation }: AuthorityInForce, wanted: WantedAuthority, mounted: string): boolean {
  const roots = readCertificates(mounted);
  if (typeof roots === 'string') return false;
  const isMounted = ({ root }: CertificateAuthority): boolean => roots.some(one => isSame(one, root));
  return isMounted(wanted.authority) && !isMounted(rotation.signer);
}

/** What every replica says is in force: what the leader wrote last; what the Secrets bring where there never was a leader. */
function inForceOf(
  stored: AuthorityInForce | undefined,
  wanted: WantedAuthority | undefined,
  last: AuthorityInForce | undefined,
  mounted: string,
  now: number,
): AuthorityInForce | undefined {
  // What is older than what is in force was brought back by somebody: the mesh has gone on since.
  const known = stored && !(last && stored.rotation.generation < last.rotation.generation) ? stored : last;
  if (!known) return wanted && alone(wanted, now);
  // Nothing that it signed is valid any more: there is nobody to wait for.
  const isOver = hasExpired(known, now) || (!last && wanted && isOutdated(known, wanted, mounted));
  if (wanted && isOver && !isSameAuthority(known.rotation.signer, wanted.authority))
    return {
      ...alone(wanted, now),
      rotation: { ...settled(wanted.authority, now), generation: known.rotation.generation + 1 },
    };
  return known;
}

/**
 * Chooses the authority: that which the leader wrote down, and where there is none yet `cacerts` before `istio-ca-secret`, as istiod. `last` is
 * what is in force; a broken Secret leaves it so. Without `last`, which is at start, a broken Secret is refused.
 */
export function chooseAuthority(found: FoundSecrets, last: AuthorityInForce | undefined, now: number): Choice {
  const source: AuthoritySource = found.cacerts ? cacertsSecret : caSecret.name;
  const read = found.cacerts ?? found.caSecret;
  const stored = found.rotation;
  const faults: SecretFault[] = [
    ...(read?.faults ?? []).map(fault => ({ ...fault, secret: source })),
    ...(stored?.faults ?? []).map(fault => ({ ...fault, secret: rotationSecret.name })),
  ];
  if (!last && ((read && !read.ok) || (stored && !stored.ok))) return { do: 'refuse', faults };
  const wanted = read?.ok ? { source, authority: read.value } : undefined;
  const inForce = inForceOf(stored?.ok ? stored.value : undefined, wanted, last, found.mounted, now);
  if (!inForce) return { do: 'make' };
  const gone =
    inForce.source === caSecret.name
      ? 'was deleted while the mesh runs on its root: it is written again'
      : 'was deleted: what it held stays in force; put it back, or a Secret istio-ca-secret in its place';
  if (!read) faults.push(faultOf(inForce.source, gone));
  return { do: 'serve', inForce, wanted, faults };
}

/** What the leader is to bring into force, so that the mesh comes to have what is wanted; the same where that is on its way. */
export function towards(inForce: AuthorityInForce, wanted: WantedAuthority | undefined, now: number): AuthorityInForce {
  if (!wanted) return inForce;
  const { rotation, isMade } = inForce;
  const { signer, next } = rotation;
  const isOnItsWay =
    isSameAuthority(next ?? signer, wanted.authority) || (isMade && isSameAuthority(signer, wanted.authority));
  return isOnItsWay
    ? inForce
    : { rotation: begin(rotation, wanted.authority, now), source: wanted.source, isMade: false };
}

/** The root that `istio-ca-secret` is to have, for an istiod that takes over and for the next start; undefined where it is not ours. */
export function storedRoot({ rotation, source, isMade }: AuthorityInForce): CertificateAuthority | undefined {
  const root = isMade ? rotation.signer : (rotation.next ?? rotation.signer);
  return source === caSecret.name && !root.intermediates.length ? root : undefined;
}

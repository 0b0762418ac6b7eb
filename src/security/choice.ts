import { type CertificateAuthority, isSameAuthority } from './authority.ts';
import { caSecret } from './ca-secret.ts';
import { cacertsSecret } from './cacerts.ts';
import type { Fault, Read } from './fault.ts';
import { begin, type Rotation, settled } from './rotation.ts';

/** What the Secrets of the system namespace say now; undefined where there is no such Secret. */
export interface FoundSecrets {
  readonly cacerts: Read<CertificateAuthority> | undefined;
  readonly caSecret: Read<Rotation> | undefined;
}

/** A fault with the Secret that it is in. */
export interface SecretFault extends Fault {
  readonly secret: string;
}

/** A rotation, and the Secret that it came from. */
export interface AuthorityInForce {
  readonly secret: string;
  readonly rotation: Rotation;
}

/** Which authority is in force, and what is to be done about the Secret. */
export type Choice =
  | { readonly do: 'serve'; readonly inForce: AuthorityInForce; readonly faults: readonly SecretFault[] }
  /** `istio-ca-secret` is gone from under a running mesh: the leader writes it again. */
  | { readonly do: 'restore'; readonly inForce: AuthorityInForce; readonly faults: readonly SecretFault[] }
  /** There never was one: the leader makes a root. */
  | { readonly do: 'make' }
  /** What is there cannot be used, and nothing is in force yet. Nobody makes a root beside it. */
  | { readonly do: 'refuse'; readonly faults: readonly SecretFault[] };

/** Goes over to what a Secret says now; the same rotation where that is nothing new. */
function follow(last: Rotation, signer: CertificateAuthority, now: number): Rotation {
  return isSameAuthority(last.next ?? last.signer, signer) ? last : begin(last, signer, now);
}

function rotationFrom(stored: Rotation, last: AuthorityInForce | undefined, now: number): Rotation {
  if (!last) return stored;
  // The leader took a step; else somebody put another root in its place.
  const isNextStep = last.secret === caSecret.name && stored.generation > last.rotation.generation;
  return isNextStep ? stored : follow(last.rotation, stored.next ?? stored.signer, now);
}

/**
 * Chooses the authority: `cacerts` before `istio-ca-secret`, as istiod. `last` is what is in force; a broken Secret leaves it so, and other
 * roots than those in force begin a rotation towards them.
 */
export function chooseAuthority(found: FoundSecrets, last: AuthorityInForce | undefined, now: number): Choice {
  const secret = found.cacerts ? cacertsSecret : caSecret.name;
  const read = found.cacerts ?? found.caSecret;
  if (!read) return last ? deleted(last) : { do: 'make' };
  const faults = read.faults.map(fault => ({ ...fault, secret }));
  if (!read.ok) return last ? { do: 'serve', inForce: last, faults } : { do: 'refuse', faults };
  const rotation =
    'signer' in read.value
      ? rotationFrom(read.value, last, now)
      : last
        ? follow(last.rotation, read.value, now)
        : settled(read.value, now);
  return { do: 'serve', inForce: { secret, rotation }, faults };
}

function deleted(last: AuthorityInForce): Choice {
  const fault = (message: string): SecretFault => ({ secret: last.secret, field: '', message, severity: 'error' });
  return last.secret === caSecret.name
    ? {
        do: 'restore',
        inForce: last,
        faults: [fault('was deleted while the mesh runs on its root: it is written again')],
      }
    : {
        do: 'serve',
        inForce: last,
        faults: [fault('was deleted: what it held is in force until the control plane restarts; put it back')],
      };
}

import type { CertificateLife } from '../security/certificate-life.ts';
import type { RotationStep } from '../security/rotation.ts';
import type { Instruments } from './instruments.ts';

/** The certificates that the mesh hangs on, where there is an authority. */
export interface AuthorityReading {
  readonly lives: readonly CertificateLife[];
  /** In seconds since 1970. */
  readonly chainExpiry: number | undefined;
  readonly rotation: { readonly step: RotationStep; readonly waitedFor: number } | undefined;
}

const STEPS: readonly RotationStep[] = ['settled', 'distribute', 'sign'];

/** The ends of certificates, by istiod's names: of the root that signs or vouches for who does, and of all that vouches for leaves. */
export function authorityMetrics(instruments: Instruments, read: () => AuthorityReading): void {
  const expiry = (name: string, what: string, ends: () => number | undefined): void => {
    instruments.read(`${name}_timestamp`, `When it ends, in seconds since 1970: ${what}`, ends);
    instruments.read(`${name}_seconds`, `Seconds until it ends, negative once it has: ${what}`, () => {
      const at = ends();
      return at === undefined ? undefined : at - Date.now() / 1_000;
    });
  };
  const root = (): number | undefined => read().lives.findLast(({ role }) => role === 'root')?.expiry;
  const chain = 'the first of the certificates that vouch for leaves';
  expiry('citadel_server_root_cert_expiry', 'the root certificate', root);
  expiry('citadel_server_cert_chain_expiry', chain, () => read().chainExpiry);
  instruments.readEach(
    'pilotlight_certificate_expiry_timestamp',
    'When a certificate ends that the mesh hangs on, in seconds since 1970: every root that is trusted, who signs below one, and that of the TLS port',
    ['role', 'serial'],
    () => read().lives.map(({ role, serialNumber: serial, expiry }) => [{ role, serial }, expiry]),
  );
  instruments.readEach(
    'pilotlight_root_rotation',
    'The step of the rotation of roots: 1 for the one that the mesh is in',
    ['step'],
    () => {
      const { rotation } = read();
      return rotation ? STEPS.map(step => [{ step }, rotation.step === step ? 1 : 0]) : [];
    },
  );
  instruments.read(
    'pilotlight_root_rotation_waiting',
    'Proxies, replicas and namespaces that hold up a step of the rotation whose time is over; the leader alone counts them',
    () => read().rotation?.waitedFor ?? 0,
  );
}

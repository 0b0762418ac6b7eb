import type { PeerAuthentication } from '../../../istio/config.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { memo } from '../../../memo.ts';
import type { CertificateSource } from '../../../model/proxy/traits.ts';
import {
  PeerAuthentication_MutualTLS_Mode as Mode,
  type PeerAuthentication_MutualTLS,
} from '../../../proto/generated/istio/security/v1beta1.ts';

/** How a port of a workload takes mutual TLS: only it, it and plaintext, or not at all. */
export type MutualTlsMode = 'STRICT' | 'PERMISSIVE' | 'DISABLE';

/** The modes in force for a workload. */
export interface MutualTls {
  readonly mode: MutualTlsMode;
  readonly ports: ReadonlyMap<number, MutualTlsMode>;
}

const modeOf = (mtls: PeerAuthentication_MutualTLS | undefined, inherited: MutualTlsMode): MutualTlsMode => {
  switch (mtls?.mode ?? Mode.UNSET) {
    case Mode.DISABLE:
      return 'DISABLE';
    case Mode.STRICT:
      return 'STRICT';
    case Mode.PERMISSIVE:
      return 'PERMISSIVE';
    default:
      return inherited;
  }
};

const oldest = (policies: readonly PeerAuthentication[]): PeerAuthentication | undefined =>
  policies.reduce<PeerAuthentication | undefined>(
    (found, p) => (found === undefined || p.meta.createdAt < found.meta.createdAt ? p : found),
    undefined,
  );

/**
 * The mutual TLS of a workload from the policies that select it: the narrowest of mesh, namespace and workload, the oldest of each, what is
 * unset inherited; PERMISSIVE where there is none (istio: ComposePeerAuthentication).
 */
const mutualTlsOf = memo((mesh: MeshSettings, policies: readonly PeerAuthentication[]): MutualTls => {
  const selective = (p: PeerAuthentication) => Object.keys(p.spec.selector?.matchLabels ?? {}).length > 0;
  const inRoot = (p: PeerAuthentication) => p.meta.namespace === mesh.rootNamespace;
  const whole = oldest(policies.filter(p => !selective(p) && inRoot(p)));
  const namespace = oldest(policies.filter(p => !selective(p) && !inRoot(p)));
  const workload = oldest(policies.filter(p => selective(p) && !inRoot(p)));
  const mode = [whole, namespace, workload].reduce<MutualTlsMode>(
    (inherited, policy) => modeOf(policy?.spec.mtls, inherited),
    'PERMISSIVE',
  );
  const ports = Object.entries(workload?.spec.portLevelMtls ?? {})
    .map(([port, mtls]) => [Number(port), modeOf(mtls, mode)] as const)
    .sort(([a], [b]) => a - b);
  return { mode, ports: new Map(ports) };
});

const NO_MUTUAL_TLS: MutualTls = Object.freeze({ mode: 'DISABLE', ports: new Map() });

/** The mutual TLS of a workload whose proxy has certificates or has none: then there is nothing to serve it with. */
export const mutualTlsFor = (
  mesh: MeshSettings,
  policies: readonly PeerAuthentication[],
  certificates: CertificateSource,
): MutualTls => (certificates === 'none' ? NO_MUTUAL_TLS : mutualTlsOf(mesh, policies));

/** The mode of a port. */
export const modeForPort = (tls: MutualTls, port: number): MutualTlsMode => tls.ports.get(port) ?? tls.mode;

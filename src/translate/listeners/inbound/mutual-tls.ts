import type { PeerAuthentication } from '../../../istio/config.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { memo } from '../../../memo.ts';
import { isWide } from '../../../model/policies/policies.ts';
import type { CertificateSource } from '../../../model/proxy/traits.ts';
import { type MutualTlsMode, modeOf, namespaceMode } from '../../endpoints/peer-authentication.ts';

/** The modes in force for a workload. */
export interface MutualTls {
  readonly mode: MutualTlsMode;
  readonly ports: ReadonlyMap<number, MutualTlsMode>;
}

/**
 * The mutual TLS of a workload from the policies that select it: the narrowest of mesh, namespace and workload, the oldest of each, what is
 * unset inherited; PERMISSIVE where there is none (istio: ComposePeerAuthentication).
 */
const mutualTlsOf = memo((mesh: MeshSettings, policies: readonly PeerAuthentication[]): MutualTls => {
  const own = policies.find(policy => !isWide(policy) && policy.meta.namespace !== mesh.rootNamespace);
  const mode = modeOf(own?.spec.mtls) ?? namespaceMode(policies, mesh.rootNamespace);
  const ports = Object.entries(own?.spec.portLevelMtls ?? {})
    .map(([port, mtls]) => [Number(port), modeOf(mtls) ?? mode] as const)
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

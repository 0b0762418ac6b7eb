import type { MeshSettings } from '../istio/settings.ts';
import { memo } from '../memo.ts';
import type { MeshConfig_CertificateData, ProxyConfig } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { type Resource, resource } from './resource.ts';

export type TrustBundleResource = Resource<ProxyConfig>;

const bundleOf = memo(
  (certificates: readonly MeshConfig_CertificateData[]): TrustBundleResource =>
    resource(
      'istio.mesh.v1alpha1.ProxyConfig',
      'trustBundle',
      { caCertificatesPem: certificates.flatMap(({ pem }) => pem ?? []) },
      [],
    ),
);

const NONE: readonly MeshConfig_CertificateData[] = [];

/** Roots that the mesh trusts beside its own (MeshConfig's caCertificates), for agents, which ask for them as PCDS (istio: PcdsGenerator). */
export const trustBundle = ({ config }: MeshSettings): TrustBundleResource => bundleOf(config.caCertificates ?? NONE);

/** The same as one PEM text; empty where there are none. */
export const otherRoots = (mesh: MeshSettings): string =>
  (trustBundle(mesh).message.caCertificatesPem ?? []).map(pem => `${pem.trim()}\n`).join('');

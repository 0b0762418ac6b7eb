import type { MeshConfig } from '../proto/generated/istio/mesh/v1alpha1.ts';

/** The mesh's settings: MeshConfig with Istio's defaults filled in (istio: mesh.DefaultMeshConfig), and what istiod takes from flags. */
export interface MeshSettings {
  readonly config: MeshConfig;
  /** `cluster.local` */
  readonly domain: string;
  /** Where mesh-wide objects live: `istio-system`. */
  readonly rootNamespace: string;
  readonly trustDomain: string;
  /** The name of the cluster that the Kubernetes source watches: `Kubernetes`. */
  readonly clusterId: string;
}

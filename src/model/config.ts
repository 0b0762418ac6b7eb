import type * as mesh from '../proto/generated/istio/mesh/v1alpha1.ts';
import type * as networking from '../proto/generated/istio/networking/v1alpha3.ts';
import type * as networkingBeta from '../proto/generated/istio/networking/v1beta1.ts';
import type * as security from '../proto/generated/istio/security/v1beta1.ts';
import type * as telemetry from '../proto/generated/istio/telemetry/v1alpha1.ts';
import type { ObjectMeta } from './object.ts';

/** An Istio object whose fields have been read and checked: the spec holds only what is valid, with the names users write in YAML. */
export interface ConfigObject<K extends string, Spec> {
  readonly kind: K;
  readonly meta: ObjectMeta;
  readonly spec: Spec;
}

export type VirtualService = ConfigObject<'VirtualService', networking.VirtualService>;
export type DestinationRule = ConfigObject<'DestinationRule', networking.DestinationRule>;
export type Gateway = ConfigObject<'Gateway', networking.Gateway>;
export type ServiceEntry = ConfigObject<'ServiceEntry', networking.ServiceEntry> & {
  /** Addresses by host that istiod's allocator wrote into the status. */
  readonly allocated?: Readonly<Record<string, readonly string[]>>;
};
export type WorkloadEntry = ConfigObject<'WorkloadEntry', networking.WorkloadEntry> & {
  /** false: its health checks fail, or none has passed yet. */
  readonly healthy: boolean;
};
export type WorkloadGroup = ConfigObject<'WorkloadGroup', networking.WorkloadGroup>;
export type Sidecar = ConfigObject<'Sidecar', networking.Sidecar>;
export type EnvoyFilter = ConfigObject<'EnvoyFilter', networking.EnvoyFilter>;
export type ProxyConfig = ConfigObject<'ProxyConfig', networkingBeta.ProxyConfig>;
export type PeerAuthentication = ConfigObject<'PeerAuthentication', security.PeerAuthentication>;
export type AuthorizationPolicy = ConfigObject<'AuthorizationPolicy', security.AuthorizationPolicy>;
export type RequestAuthentication = ConfigObject<'RequestAuthentication', security.RequestAuthentication>;
export type Telemetry = ConfigObject<'Telemetry', telemetry.Telemetry>;
/** The mesh's own settings as written; `MeshSettings` has the defaults filled in. */
export type MeshConfigObject = ConfigObject<'MeshConfig', mesh.MeshConfig>;

import type { ObjectKey } from '../object-key.ts';
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
  /** Indexes of list items that are left out of `spec` as invalid, by the list's path; both as the user wrote them. */
  readonly leftOut?: Readonly<Record<string, readonly number[]>>;
  /** For whom it is in force cannot be read: it stands for all for whom it may be, and nobody may do more because of it. */
  readonly onlyRestricts?: true;
  /** The objects that this one was put together from, itself first; absent where it is alone. */
  readonly sources?: readonly ObjectKey[];
}

/** The objects that an object is made of. */
export const objectSources = ({ meta, sources }: ConfigObject<string, unknown>): readonly ObjectKey[] =>
  sources ?? [meta.key];

/** The path of a field of `spec` (`spec.http[0].route`) in the object as the user wrote it: with the items that were left out counted in. */
export function writtenPath({ leftOut }: Pick<ConfigObject<string, unknown>, 'leftOut'>, path: string): string {
  if (!leftOut) return path;
  return path.split(/(?=\[)|(?<=\])/).reduce((written, part) => {
    const index = /^\[(\d+)\]$/.exec(part)?.[1];
    if (index === undefined) return written + part;
    let at = Number(index);
    for (const missing of leftOut[written] ?? []) if (missing <= at) at++;
    return `${written}[${at}]`;
  }, '');
}

/** The index in a list of `spec` (`spec.rules`) that the user gave an item. */
export const writtenIndex = (
  object: Pick<ConfigObject<string, unknown>, 'leftOut'>,
  list: string,
  index: number,
): number => Number(writtenPath(object, `${list}[${index}]`).slice(list.length + 1, -1));

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
/** The mesh's settings: what is written, over Istio's defaults. */
export type MeshConfigObject = ConfigObject<'MeshConfig', mesh.MeshConfig>;

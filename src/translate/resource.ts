import type { Problem } from '../config/problem.ts';
import type { ObjectKey } from '../model/object.ts';
import type { Cluster } from '../proto/generated/envoy/config/cluster/v3.ts';
import type { TypedExtensionConfig } from '../proto/generated/envoy/config/core/v3.ts';
import type { ClusterLoadAssignment } from '../proto/generated/envoy/config/endpoint/v3.ts';
import type { Listener } from '../proto/generated/envoy/config/listener/v3.ts';
import type { RouteConfiguration } from '../proto/generated/envoy/config/route/v3.ts';

/** A translated resource before it is encoded: the message as Envoy's API has it, frozen, and the objects that it came from. */
export interface Resource<M> {
  readonly name: string;
  readonly message: M;
  readonly sources: readonly ObjectKey[];
}

export type ClusterResource = Resource<Cluster>;
export type EndpointResource = Resource<ClusterLoadAssignment>;
export type ListenerResource = Resource<Listener>;
export type RouteResource = Resource<RouteConfiguration>;
export type ExtensionResource = Resource<TypedExtensionConfig>;

/** Resources of one type with the problems that only translation could see. */
export interface Translated<M> {
  readonly resources: readonly Resource<M>[];
  readonly problems: readonly Problem[];
}

import type { Problem } from '../config/problem.ts';
import type { ObjectKey } from '../object-key.ts';
import { type Fault, findFaults } from '../proto/faults.ts';
import type { Cluster } from '../proto/generated/envoy/config/cluster/v3.ts';
import type { TypedExtensionConfig } from '../proto/generated/envoy/config/core/v3.ts';
import type { ClusterLoadAssignment } from '../proto/generated/envoy/config/endpoint/v3.ts';
import type { Listener } from '../proto/generated/envoy/config/listener/v3.ts';
import type { RouteConfiguration } from '../proto/generated/envoy/config/route/v3.ts';
import type { MessageName, MessageTypes } from '../proto/message.ts';

/** A translated resource before it is encoded: the message as Envoy's API has it, frozen, and the objects that it came from. */
export interface Resource<M> {
  readonly name: string;
  readonly message: M;
  readonly sources: readonly ObjectKey[];
  /** What makes Envoy, or an Envoy of some version, refuse the message. */
  readonly faults: readonly Fault[];
}

/** The messages that are sent as resources of their own. */
export type ResourceName =
  | 'envoy.config.cluster.v3.Cluster'
  | 'envoy.config.core.v3.TypedExtensionConfig'
  | 'envoy.config.endpoint.v3.ClusterLoadAssignment'
  | 'envoy.config.listener.v3.Listener'
  | 'envoy.config.route.v3.RouteConfiguration'
  | 'envoy.extensions.transport_sockets.tls.v3.Secret'
  | 'istio.mesh.v1alpha1.ProxyConfig';

/** A resource, looked at for what Envoy would refuse; of messages of the type `apart` what was found when they were made. */
export function resource<N extends ResourceName>(
  type: N,
  name: string,
  message: MessageTypes[N],
  sources: readonly ObjectKey[],
  apart?: MessageName,
): Resource<MessageTypes[N]> {
  return Object.freeze({ name, message: Object.freeze(message), sources, faults: findFaults(type, message, apart) });
}

export type ClusterResource = Resource<Cluster>;
export type EndpointResource = Resource<ClusterLoadAssignment>;
export type ListenerResource = Resource<Listener>;
export type RouteResource = Resource<RouteConfiguration>;
export type ExtensionResource = Resource<TypedExtensionConfig>;

/** A cluster as a resource. */
export const clusterResource = (message: Cluster, sources: readonly ObjectKey[]): ClusterResource =>
  resource('envoy.config.cluster.v3.Cluster', message.name ?? '', message, sources);

/** Resources of one type with the problems that only translation could see. */
export interface Translated<M> {
  readonly resources: readonly Resource<M>[];
  readonly problems: readonly Problem[];
}

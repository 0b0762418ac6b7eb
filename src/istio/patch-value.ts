import type { Struct } from '../proto/generated/google/protobuf.ts';
import { EnvoyFilter_ApplyTo as ApplyTo } from '../proto/generated/istio/networking/v1alpha3.ts';
import { fromJson, type JsonProblem } from '../proto/json.ts';
import { encode, type MessageName, type MessageTypes } from '../proto/message.ts';
import { fromStruct } from '../proto/wellknown.ts';
import { messageOf } from '../unknown.ts';

/** What the `value` of an EnvoyFilter's patch is, by what it applies to. */
export const patchMessages = {
  [ApplyTo.LISTENER]: 'envoy.config.listener.v3.Listener',
  [ApplyTo.FILTER_CHAIN]: 'envoy.config.listener.v3.FilterChain',
  [ApplyTo.NETWORK_FILTER]: 'envoy.config.listener.v3.Filter',
  [ApplyTo.HTTP_FILTER]: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter',
  [ApplyTo.ROUTE_CONFIGURATION]: 'envoy.config.route.v3.RouteConfiguration',
  [ApplyTo.VIRTUAL_HOST]: 'envoy.config.route.v3.VirtualHost',
  [ApplyTo.HTTP_ROUTE]: 'envoy.config.route.v3.Route',
  [ApplyTo.CLUSTER]: 'envoy.config.cluster.v3.Cluster',
  [ApplyTo.EXTENSION_CONFIG]: 'envoy.config.core.v3.TypedExtensionConfig',
  [ApplyTo.BOOTSTRAP]: 'envoy.config.bootstrap.v3.Bootstrap',
  [ApplyTo.LISTENER_FILTER]: 'envoy.config.listener.v3.ListenerFilter',
} as const satisfies Readonly<Record<Exclude<ApplyTo, typeof ApplyTo.INVALID>, MessageName>>;

/** Reads the value of a patch as a message. Strict: what Envoy's API of this version does not have is a problem. */
export function readPatchValue<N extends MessageName>(
  name: N,
  value: Struct,
): { readonly value: MessageTypes[N]; readonly problems: readonly JsonProblem[] } {
  const read = fromJson(name, fromStruct(value));
  if (read.problems.length) return read;
  try {
    encode(name, read.value);
    return read;
  } catch (error) {
    // The codec refuses messages nested more than 100 deep.
    const message = `cannot be encoded: ${messageOf(error)}`;
    return { value: read.value, problems: [{ path: '', message, kind: 'invalid' }] };
  }
}

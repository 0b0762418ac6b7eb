import { typeName, unpackAs } from '../../../src/proto/any.ts';
import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { Filter } from '../../../src/proto/generated/envoy/config/listener/v3.ts';
import type { Call } from '../call.ts';
import type { Request } from '../route/route.ts';

const SNI = 'envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig';

/** Whether the cluster's only endpoint is what is resolved for the call. */
export const isDynamic = (cluster: Cluster): boolean =>
  cluster.cluster_type?.name === 'envoy.clusters.dynamic_forward_proxy';

/** `host:port` that the connection's filters resolve; undefined where none of them does. */
export function hostOfConnection(filters: readonly Filter[], call: Call): string | undefined {
  for (const { typed_config: any } of filters)
    if (any && typeName(any.type_url ?? '') === SNI)
      return call.tls?.sni ? `${call.tls.sni}:${unpackAs(SNI, any).port_value ?? 443}` : undefined;
  return undefined;
}

/** `host:port` that is resolved for a request: a cluster does that itself, with the HTTP filter or without (since Envoy 1.34). */
export const hostOfRequest = ({ host }: Request): string => (/:\d+$/.test(host) ? host : `${host}:80`);

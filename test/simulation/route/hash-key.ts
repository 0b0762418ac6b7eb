import { type Cluster, Cluster_LbPolicy } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { RouteAction_HashPolicy } from '../../../src/proto/generated/envoy/config/route/v3.ts';
import type { HashPolicy as TcpHashPolicy } from '../../../src/proto/generated/envoy/type/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';

/** What of a call decides which endpoint it goes to, where the cluster's load balancer hashes. */
export interface HashKey {
  readonly header?: string;
  readonly cookie?: string;
  /** The path and the life (milliseconds; 0 is the browser's session) of a cookie that Envoy makes where there is none. */
  readonly path?: string;
  readonly ttl?: number;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly query?: string;
  /** The client's address. */
  readonly sourceIp?: true;
}

function keyOf({
  header,
  cookie,
  query_parameter: query,
  connection_properties: from,
}: RouteAction_HashPolicy): HashKey {
  if (header) return { header: header.header_name ?? '' };
  if (cookie)
    return {
      cookie: cookie.name ?? '',
      ...(cookie.path && { path: cookie.path }),
      ...(cookie.ttl && { ttl: milliseconds(cookie.ttl) }),
      ...(cookie.attributes && {
        attributes: Object.fromEntries(cookie.attributes.map(a => [a.name ?? '', a.value ?? ''])),
      }),
    };
  if (query) return { query: query.name ?? '' };
  return from?.source_ip ? { sourceIp: true } : {};
}

const HASHING: readonly number[] = [Cluster_LbPolicy.RING_HASH, Cluster_LbPolicy.MAGLEV];

/** Whether the load balancer of a cluster hashes: `RING_HASH` or `MAGLEV`. What is hashed means nothing to others. */
export const hashes = ({ lb_policy: policy = Cluster_LbPolicy.ROUND_ROBIN }: Cluster): boolean =>
  HASHING.includes(policy);

/** What a route hashes, in order. */
export const hashKeys = (policies: readonly RouteAction_HashPolicy[] = []): readonly HashKey[] => policies.map(keyOf);

/** What a TCP proxy hashes. */
export const tcpHashKeys = (policies: readonly TcpHashPolicy[] = []): readonly HashKey[] =>
  policies.map(policy => (policy.source_ip ? { sourceIp: true } : {}));

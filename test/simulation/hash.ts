import type { RouteAction_HashPolicy as HttpHashPolicy } from '../../src/proto/generated/envoy/config/route/v3.ts';
import type { HashPolicy as TcpHashPolicy } from '../../src/proto/generated/envoy/type/v3.ts';
import { milliseconds } from '../../src/proto/wellknown.ts';

/** What of a call decides about its endpoint, where the load balancer hashes; one of the members. */
export interface Hash {
  readonly header?: string;
  /** `ttl` in milliseconds: then the proxy makes the cookie where there is none. */
  readonly cookie?: string;
  readonly ttl?: number;
  readonly path?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly sourceIp?: true;
}

function httpHash(policy: HttpHashPolicy): Hash {
  if (policy.header) return { header: policy.header.header_name ?? '' };
  if (policy.query_parameter) return { query: policy.query_parameter.name ?? '' };
  if (policy.connection_properties?.source_ip) return { sourceIp: true };
  if (!policy.cookie) return {};
  const { name = '', ttl, path, attributes } = policy.cookie;
  return {
    cookie: name,
    ...(ttl && { ttl: milliseconds(ttl) }),
    ...(path && { path }),
    ...(attributes && { attributes: Object.fromEntries(attributes.map(a => [a.name ?? '', a.value ?? ''])) }),
  };
}

/** What a route hashes. */
export const httpHashOf = (policies: readonly HttpHashPolicy[] = []): readonly Hash[] => policies.map(httpHash);

/** What a TCP proxy hashes. */
export const tcpHashOf = (policies: readonly TcpHashPolicy[] = []): readonly Hash[] =>
  policies.map(policy => (policy.source_ip ? { sourceIp: true } : {}));

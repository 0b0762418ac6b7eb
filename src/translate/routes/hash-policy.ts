import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { RouteAction_HashPolicy } from '../../proto/generated/envoy/config/route/v3.ts';
import type { LoadBalancerSettings_ConsistentHashLB as ConsistentHash } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { balancersOf } from '../destinations/traffic-policy.ts';

/** The consistent hash that a DestinationRule asks for, the narrowest one (istio: HashForHTTPDestination). */
export const consistentHashOf = (
  rule: EffectiveDestinationRule | undefined,
  subset: string,
  port: number | undefined,
): ConsistentHash | undefined =>
  balancersOf(rule?.rule.spec, subset, port).find(({ consistentHash }) => consistentHash)?.consistentHash;

/** What of a request a route hashes; undefined where the hash names nothing (istio: ConsistentHashToHashPolicy). */
export function hashPolicy(hash: ConsistentHash | undefined): RouteAction_HashPolicy | undefined {
  if (!hash) return undefined;
  if (hash.httpHeaderName !== undefined) return { header: { header_name: hash.httpHeaderName } };
  if (hash.httpCookie !== undefined) {
    const { name, ttl, path, attributes } = hash.httpCookie;
    return { cookie: { name, ...(ttl && { ttl }), ...(path && { path }), ...(attributes?.length && { attributes }) } };
  }
  if (hash.useSourceIp !== undefined) return { connection_properties: { source_ip: hash.useSourceIp } };
  if (hash.httpQueryParameterName !== undefined) return { query_parameter: { name: hash.httpQueryParameterName } };
  return undefined;
}

import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { RouteAction_HashPolicy } from '../../proto/generated/envoy/config/route/v3.ts';
import type {
  Destination,
  LoadBalancerSettings_ConsistentHashLB,
  TrafficPolicy,
} from '../../proto/generated/istio/networking/v1alpha3.ts';

type ConsistentHash = LoadBalancerSettings_ConsistentHashLB;

const atPort = (policy: TrafficPolicy | undefined, port: number | undefined): ConsistentHash | undefined =>
  port === undefined
    ? undefined
    : policy?.portLevelSettings?.find(setting => setting.port?.number === port)?.loadBalancer?.consistentHash;

/** The consistent hash that a DestinationRule asks for on a destination: subset's port, subset, port, rule (istio: HashForHTTPDestination). */
export function hashOfDestination(
  rule: EffectiveDestinationRule | undefined,
  destination: Destination,
): ConsistentHash | undefined {
  const spec = rule?.rule.spec;
  const subset = spec?.subsets?.find(s => s.name === (destination.subset ?? ''))?.trafficPolicy;
  const port = destination.port?.number;
  return (
    atPort(subset, port) ??
    subset?.loadBalancer?.consistentHash ??
    atPort(spec?.trafficPolicy, port) ??
    spec?.trafficPolicy?.loadBalancer?.consistentHash
  );
}

/** The consistent hash of a Service's port where no VirtualService routes to it. */
export function hashOfPort(rule: EffectiveDestinationRule | undefined, port: number): ConsistentHash | undefined {
  const policy = rule?.rule.spec.trafficPolicy;
  return atPort(policy, port) ?? policy?.loadBalancer?.consistentHash;
}

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

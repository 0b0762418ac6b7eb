import type { DestinationRule } from '../../istio/config.ts';
import { isWildcard } from '../../istio/hosts.ts';
import { memo } from '../../memo.ts';
import type { GatewayBinding } from '../../model/routing/merged-gateway.ts';
import type { Service, ServicePort } from '../../model/services/service.ts';
import { Cluster_DiscoveryType as Type } from '../../proto/generated/envoy/config/cluster/v3.ts';
import { type Subset, ServerTLSSettings_TLSmode as TlsMode } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { outboundClusterName, outboundSni } from '../names.ts';
import { isPassthrough, portPolicy, subsetPolicy } from './traffic-policy.ts';

/** Whether the Service's clusters resolve the host of each request: ServiceEntries of wildcard hosts with DYNAMIC_DNS. */
export const isDynamicForwardProxy = (service: Service): boolean =>
  service.resolution === 'DynamicDNS' && isWildcard(service.hostname);

/** How Envoy finds a Service's endpoints. Gateways see no original destination, so they get the endpoints of headless Services. */
function serviceDiscovery(service: Service, sidecar: boolean): Type {
  switch (service.resolution) {
    case 'DNSLB':
      return Type.STRICT_DNS;
    case 'DNSRoundRobinLB':
      return Type.LOGICAL_DNS;
    case 'Passthrough':
      return sidecar ? Type.ORIGINAL_DST : Type.EDS;
    default:
      return Type.EDS;
  }
}

/** The discovery type of the cluster of a port, or of a subset of it, once the rule has had its say. */
export function clusterDiscovery(
  service: Service,
  port: ServicePort,
  rule: DestinationRule | undefined,
  subset: Subset | undefined,
  sidecar: boolean,
): Type {
  const base = portPolicy(rule?.spec.trafficPolicy, port.port);
  if (isPassthrough(base?.loadBalancer)) return Type.ORIGINAL_DST;
  if (subset) {
    const own = subset.trafficPolicy;
    if (isPassthrough(own?.loadBalancer) || isPassthrough(subsetPolicy(base, own, port.port)?.loadBalancer))
      return Type.ORIGINAL_DST;
  }
  return serviceDiscovery(service, sidecar);
}

/**
 * What a cluster is for: traffic of the proxy's own, or `sniDnat`: connections that a gateway passes on by their SNI (AUTO_PASSTHROUGH),
 * whose mutual TLS it does not touch.
 */
export type ClusterMode = 'outbound' | 'sniDnat';

const OUTBOUND: readonly ClusterMode[] = ['outbound'];
const WITH_SNI_DNAT: readonly ClusterMode[] = ['outbound', 'sniDnat'];

/** The modes in which a proxy needs clusters. */
export const clusterModes = memo((gateways: readonly GatewayBinding[]): readonly ClusterMode[] => {
  const servers = gateways.flatMap(({ gateway }) => gateway.spec.servers ?? []);
  return servers.some(({ tls }) => tls?.mode === TlsMode.AUTO_PASSTHROUGH) ? WITH_SNI_DNAT : OUTBOUND;
});

/** One outbound cluster: a Service port, or a subset of it. */
export interface ClusterTarget {
  readonly name: string;
  readonly port: ServicePort;
  readonly subset: Subset | undefined;
}

/** Every outbound cluster of a Service that Envoy can have: none for aliases and UDP. */
export function clusterTargets(
  service: Service,
  rule: DestinationRule | undefined,
  mode: ClusterMode,
): readonly ClusterTarget[] {
  const dynamic = isDynamicForwardProxy(service);
  if (service.resolution === 'Alias' || (mode === 'sniDnat' && (dynamic || service.meshExternal))) return [];
  const nameOf = mode === 'sniDnat' ? outboundSni : outboundClusterName;
  const targets: ClusterTarget[] = [];
  for (const port of service.ports) {
    if (port.protocol === 'UDP') continue;
    if (dynamic && !['HTTP', 'TLS', 'GRPC', 'HTTP2'].includes(port.protocol)) continue;
    targets.push({ name: nameOf(service.hostname, port.port), port, subset: undefined });
    if (dynamic) continue;
    for (const subset of rule?.spec.subsets ?? [])
      targets.push({ name: nameOf(service.hostname, port.port, subset.name), port, subset });
  }
  return targets;
}

/** The clusters whose endpoints come over EDS. */
export function edsClusters(
  service: Service,
  rule: DestinationRule | undefined,
  sidecar: boolean,
  mode: ClusterMode,
): readonly ClusterTarget[] {
  if (isDynamicForwardProxy(service)) return [];
  return clusterTargets(service, rule, mode).filter(
    ({ port, subset }) => clusterDiscovery(service, port, rule, subset, sidecar) === Type.EDS,
  );
}

import type { DestinationRule } from '../../model/config.ts';
import { isWildcard } from '../../model/hosts.ts';
import type { Service, ServicePort } from '../../model/service.ts';
import { Cluster_DiscoveryType as Type } from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { Subset } from '../../proto/generated/istio/networking/v1alpha3.ts';
import { outboundClusterName } from '../names.ts';
import { isPassthrough } from './load-balancer.ts';
import { portPolicy, subsetPolicy } from './traffic-policy.ts';

/** Whether the Service's clusters resolve the host of each request: ServiceEntries of wildcard hosts with DYNAMIC_DNS. */
export const isDynamicForwardProxy = (service: Service): boolean =>
  service.resolution === 'DynamicDNS' && isWildcard(service.hostname);

/** How Envoy finds a Service's endpoints. Gateways see no original destination, so they get the endpoints of headless Services. */
export function serviceDiscovery(service: Service, sidecar: boolean): Type {
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

/** One outbound cluster: a Service port, or a subset of it. */
export interface ClusterTarget {
  readonly name: string;
  readonly port: ServicePort;
  readonly subset: Subset | undefined;
}

/** Every outbound cluster of a Service that Envoy can have: none for aliases and UDP. */
export function clusterTargets(service: Service, rule: DestinationRule | undefined): readonly ClusterTarget[] {
  if (service.resolution === 'Alias') return [];
  const dynamic = isDynamicForwardProxy(service);
  const targets: ClusterTarget[] = [];
  for (const port of service.ports) {
    if (port.protocol === 'UDP') continue;
    if (dynamic && !['HTTP', 'TLS', 'GRPC', 'HTTP2'].includes(port.protocol)) continue;
    targets.push({ name: outboundClusterName(service.hostname, port.port), port, subset: undefined });
    if (dynamic) continue;
    for (const subset of rule?.spec.subsets ?? [])
      targets.push({ name: outboundClusterName(service.hostname, port.port, subset.name), port, subset });
  }
  return targets;
}

/** The clusters whose endpoints come over EDS. */
export function edsClusters(
  service: Service,
  rule: DestinationRule | undefined,
  sidecar: boolean,
): readonly ClusterTarget[] {
  if (isDynamicForwardProxy(service)) return [];
  return clusterTargets(service, rule).filter(
    ({ port, subset }) => clusterDiscovery(service, port, rule, subset, sidecar) === Type.EDS,
  );
}

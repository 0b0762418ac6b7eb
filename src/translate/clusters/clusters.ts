/** CDS: every cluster of a proxy. */

import type { Problem } from '../../config/problem.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { eachOf, memo, one } from '../../memo.ts';
import { type EndpointIndex, endpointsKey } from '../../model/endpoints/endpoint.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { Scope } from '../../model/scope/scope.ts';
import type { Service } from '../../model/services/service.ts';
import type { Cluster } from '../../proto/generated/envoy/config/cluster/v3.ts';
import { locationReads } from '../destinations/balancing.ts';
import { type ClusterScope, clusterScope } from '../destinations/cluster-scope.ts';
import type { ClusterMode } from '../destinations/cluster-targets.ts';
import { isPassthrough } from '../destinations/traffic-policy.ts';
import type { EndpointView } from '../endpoints/cluster-endpoints.ts';
import { namespaceMode, policiesOf } from '../endpoints/peer-authentication.ts';
import { locationOf, locationRead } from '../endpoints/proxy-location.ts';
import type { ClusterResource, Translated } from '../resource.ts';
import { type ClusterTraits, clusterTraits } from './cluster-traits.ts';
import { agentResolver } from './dynamic-dns.ts';
import {
  blackHoleCluster,
  dynamicDnsCluster,
  externalSdsCluster,
  inboundPassthroughCluster,
  passthroughCluster,
} from './fallback.ts';
import { inboundClusters } from './inbound.ts';
import { meshedPorts, serviceClusters } from './outbound.ts';

/** Whether a Service's clusters hold its endpoints, or depend on whether they have sidecars: all others are made without endpoints. */
const readsEndpoints = memo((rule: EffectiveDestinationRule | undefined, service: Service): boolean => {
  if (['Passthrough', 'DNSLB', 'DNSRoundRobinLB'].includes(service.resolution)) return true;
  const { trafficPolicy, subsets = [] } = rule?.rule.spec ?? {};
  return [trafficPolicy, ...subsets.map(subset => subset.trafficPolicy)].some(p => isPassthrough(p?.loadBalancer));
});

const endpointReaders = memo((scope: ClusterScope): readonly Service[] =>
  scope.services.filter(service => readsEndpoints(scope.destinationRules.get(service.hostname), service)),
);

const resolvedByDns = (service: Service): boolean =>
  service.resolution === 'DNSLB' || service.resolution === 'DNSRoundRobinLB';

type Reading = EndpointView | string;

const NO_CLUSTERS: Translated<Cluster> = Object.freeze({ resources: [], problems: [] });

type ServiceClusters = (service: Service, reading?: Reading) => Translated<Cluster>;

/** Makes the clusters of any Service, given what there is besides it. */
const makerOf = memo(
  (
    mesh: MeshSettings,
    destinationRules: ClusterScope['destinationRules'],
    identities: ClusterScope['identities'],
    policies: ClusterScope['peerAuthentications'],
    traits: ClusterTraits,
    mode: ClusterMode,
  ): {
    readonly alone: ServiceClusters;
    readonly each: (services: readonly Service[]) => readonly Translated<Cluster>[];
  } => {
    const alone: ServiceClusters = (service, reading) =>
      serviceClusters(
        mesh,
        traits,
        mode,
        namespaceMode(policiesOf(policies, mesh.rootNamespace, service.namespace), mesh.rootNamespace),
        typeof reading === 'string' ? reading : '',
        typeof reading === 'object' ? reading : undefined,
        identities.get(endpointsKey(service)),
        destinationRules.get(service.hostname),
        service,
      );
    const waits = (service: Service): boolean => readsEndpoints(destinationRules.get(service.hostname), service);
    return { alone, each: eachOf(service => (waits(service) ? NO_CLUSTERS : alone(service))) };
  },
);

/** Memoised on what was read of endpoints rather than on the endpoints, one value for each of `endpointReaders`: a change elsewhere keeps the list. */
const outboundList = memo(
  (scope: ClusterScope, traits: ClusterTraits, ...readings: readonly Reading[]): Translated<Cluster> => {
    const { mesh, services, destinationRules, identities, peerAuthentications } = scope;
    const readers = endpointReaders(scope);
    const resources: ClusterResource[] = [];
    const problems: Problem[] = [];
    for (const mode of scope.modes) {
      const { alone, each } = makerOf(mesh, destinationRules, identities, peerAuthentications, traits, mode);
      let next = 0;
      for (const [i, clusters] of each(services).entries()) {
        const service = readers[next];
        const made = service && service === services[i] ? alone(service, readings[next++]) : clusters;
        for (const cluster of made.resources) resources.push(cluster);
        if (mode === 'outbound') for (const problem of made.problems) problems.push(problem);
      }
    }
    return Object.freeze({ resources, problems });
  },
);

/** The clusters to every Service of the scope: the same list for all proxies that see them alike. */
function outboundClusters(
  scope: Scope,
  workload: Workload,
  traits: Traits,
  endpoints: EndpointIndex,
): Translated<Cluster> {
  const own = clusterScope(scope);
  const { mesh, destinationRules, peerAuthentications } = own;
  const readings = endpointReaders(own).map((service): Reading => {
    const known = endpoints.get(endpointsKey(service));
    if (!resolvedByDns(service)) return meshedPorts(service, known);
    const policies = policiesOf(peerAuthentications, mesh.rootNamespace, service.namespace);
    const reads = locationReads(mesh.config, destinationRules.get(service.hostname)?.rule, service);
    const location = reads === 'nothing' ? undefined : locationRead(locationOf(own, workload, traits), reads);
    return one({ endpoints: known, mesh, policies, location, node: service.nodeLocal ? traits.node : undefined });
  });
  return outboundList(own, clusterTraits(mesh, traits), ...readings);
}

/** The clusters that connections leave by: to Services, and where no Service is meant. */
const outgoing = memo(
  (
    outbound: Translated<Cluster>,
    mesh: MeshSettings,
    traits: ClusterTraits,
    dynamicDns: ClusterResource | undefined,
  ): Translated<Cluster> => {
    const { resources, problems } = outbound;
    const black = blackHoleCluster(mesh);
    const others = traits.sidecar
      ? [black, passthroughCluster(mesh, traits), ...(dynamicDns ? [dynamicDns] : [])]
      : [black];
    return Object.freeze({ resources: [...resources, ...others], problems });
  },
);

const lastClusters = memo((mesh: MeshSettings, traits: ClusterTraits): Translated<Cluster> => {
  const inbound = traits.sidecar ? [inboundPassthroughCluster(mesh, traits)] : [];
  const sds = traits.credentialSocket ? [externalSdsCluster(mesh)] : [];
  return Object.freeze({ resources: [...inbound, ...sds], problems: [] });
});

/**
 * Every cluster of a proxy, each name once: what it shares with all that see the same, its workload's own, and what any proxy has. Gateways
 * have no inbound and no passthrough clusters: nothing is redirected to them.
 */
export function clusters(
  scope: Scope,
  workload: Workload,
  traits: Traits,
  endpoints: EndpointIndex,
): readonly Translated<Cluster>[] {
  const shared = clusterTraits(scope.mesh, traits);
  const dynamic = scope.outboundPolicy.mode === 'ALLOW_ANY_DYNAMIC_DNS';
  const outbound = outboundClusters(scope, workload, traits, endpoints);
  const dynamicDns = dynamic ? dynamicDnsCluster(scope.mesh, shared, agentResolver(traits)) : undefined;
  return [
    outgoing(outbound, scope.mesh, shared, dynamicDns),
    inboundClusters(scope, workload, traits),
    lastClusters(scope.mesh, shared),
  ];
}

/** What clusters read of endpoints: those of few Services. */
export const clusterEndpointReaders = (scope: Scope): readonly Service[] => endpointReaders(clusterScope(scope));

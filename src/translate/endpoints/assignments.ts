/** EDS: the load assignment of every cluster that takes its endpoints from the control plane. */

import { isIP } from 'node:net';
import type { PeerAuthentication } from '../../istio/config.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { eachOf, memo } from '../../memo.ts';
import {
  type Endpoint,
  type EndpointIndex,
  endpointsKey,
  type ServiceEndpoints,
} from '../../model/endpoints/endpoint.ts';
import type { NodeName, Traits } from '../../model/proxy/traits.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { Scope } from '../../model/scope/scope.ts';
import type { Service } from '../../model/services/service.ts';
import type { ClusterLoadAssignment } from '../../proto/generated/envoy/config/endpoint/v3.ts';
import { locationReads } from '../destinations/balancing.ts';
import { type ClusterScope, clusterScope } from '../destinations/cluster-scope.ts';
import { type ClusterMode, edsClusters } from '../destinations/cluster-targets.ts';
import { type EndpointResource, resource, type Translated } from '../resource.ts';
import { clusterEndpoints, type EndpointView } from './cluster-endpoints.ts';
import { policiesOf } from './peer-authentication.ts';
import { locationOf, locationRead, type ProxyLocation } from './proxy-location.ts';

/** EDS carries addresses only; a host name in a STATIC ServiceEntry cannot be resolved by Envoy. */
const isAddress = ({ address, port }: Endpoint): boolean => address === '' || port === 0 || isIP(address) !== 0;

/** The assignments of one Service, as a function of its endpoints alone: what remains to be looked at when endpoints change. */
interface ServicePlan {
  readonly key: string;
  readonly assign: (endpoints: ServiceEndpoints | undefined) => readonly EndpointResource[];
}

const servicePlan = memo(
  (
    mesh: MeshSettings,
    policies: readonly PeerAuthentication[],
    location: ProxyLocation | undefined,
    node: NodeName | undefined,
    sidecar: boolean,
    mode: ClusterMode,
    rule: EffectiveDestinationRule | undefined,
    service: Service,
  ): ServicePlan | undefined => {
    const targets = edsClusters(service, rule?.rule, sidecar, mode);
    if (targets.length === 0) return undefined;
    const sources = [service.source, ...(rule?.sources ?? [])];
    const options = { keep: isAddress, mutualTlsOnly: mode === 'sniDnat' };
    const assign = memo((endpoints: ServiceEndpoints | undefined): readonly EndpointResource[] => {
      const view: EndpointView = { endpoints, mesh, policies, location, node };
      return targets.map(({ name, port, subset }) => {
        const localities = clusterEndpoints(service, port, rule?.rule, subset, view, options);
        const message = { cluster_name: name, endpoints: localities.length ? localities : undefined };
        return resource('envoy.config.endpoint.v3.ClusterLoadAssignment', name, message, sources);
      });
    });
    return { key: endpointsKey(service), assign };
  },
);

const plannerOf = memo(
  (
    mesh: MeshSettings,
    destinationRules: ClusterScope['destinationRules'],
    policies: ClusterScope['peerAuthentications'],
    location: ProxyLocation,
    node: NodeName | undefined,
    sidecar: boolean,
    mode: ClusterMode,
  ) =>
    eachOf((service: Service): ServicePlan | undefined => {
      const rule = destinationRules.get(service.hostname);
      return servicePlan(
        mesh,
        policiesOf(policies, mesh.rootNamespace, service.namespace),
        locationRead(location, locationReads(mesh.config, rule?.rule, service)),
        service.nodeLocal ? node : undefined,
        sidecar,
        mode,
        rule,
        service,
      );
    }),
);

const plans = memo(
  (
    scope: ClusterScope,
    location: ProxyLocation,
    node: NodeName | undefined,
    sidecar: boolean,
  ): readonly ServicePlan[] => {
    const { mesh, destinationRules, peerAuthentications } = scope;
    return scope.modes.flatMap(mode => {
      const planner = plannerOf(mesh, destinationRules, peerAuthentications, location, node, sidecar, mode);
      return planner(scope.services).filter(plan => plan !== undefined);
    });
  },
);

const assignmentList = memo(
  (services: readonly ServicePlan[], endpoints: EndpointIndex): Translated<ClusterLoadAssignment> => {
    const resources: EndpointResource[] = [];
    for (const { key, assign } of services) {
      for (const assignment of assign(endpoints.get(key))) resources.push(assignment);
    }
    return { resources, problems: [] };
  },
);

/**
 * The load assignments for a proxy, one for each EDS cluster of its scope, empty ones included. When one Service's endpoints change, only
 * that Service's are made again; proxies on different nodes share all that does not depend on where they are.
 */
export function endpointAssignments(
  scope: Scope,
  workload: Workload,
  traits: Traits,
  endpoints: EndpointIndex,
): Translated<ClusterLoadAssignment> {
  const own = clusterScope(scope);
  const location = locationOf(own, workload, traits);
  const node = own.byNode ? traits.node : undefined;
  return assignmentList(plans(own, location, node, traits.type === 'sidecar'), endpoints);
}

/** EDS: the load assignment of every cluster that takes its endpoints from the control plane. */

import { isIP } from 'node:net';
import { memo } from '../../memo.ts';
import type { PeerAuthentication } from '../../model/config.ts';
import { type Endpoint, type EndpointIndex, endpointsKey, type ServiceEndpoints } from '../../model/endpoint.ts';
import type { EffectiveDestinationRule, Scope } from '../../model/scope.ts';
import type { Service } from '../../model/service.ts';
import type { MeshSettings } from '../../model/settings.ts';
import type { Traits } from '../../model/traits.ts';
import type { Workload } from '../../model/workload.ts';
import type { ClusterLoadAssignment } from '../../proto/generated/envoy/config/endpoint/v3.ts';
import { placesRead } from '../clusters/balancing.ts';
import { type ClusterMode, clusterModes, edsClusters } from '../clusters/discovery.ts';
import type { EndpointResource, Translated } from '../resource.ts';
import { clusterEndpoints, type EndpointView } from './cluster-endpoints.ts';
import { policiesOf } from './peer-authentication.ts';
import { type Place, placeOf, placeRead } from './place.ts';

/** EDS carries addresses only; a host name in a STATIC ServiceEntry cannot be resolved by Envoy. */
const isAddress = ({ address, port }: Endpoint): boolean => address === '' || port === 0 || isIP(address) !== 0;

const serviceAssignments = memo(
  (
    service: Service,
    endpoints: ServiceEndpoints | undefined,
    rule: EffectiveDestinationRule | undefined,
    mesh: MeshSettings,
    policies: readonly PeerAuthentication[],
    place: Place | undefined,
    node: string,
    sidecar: boolean,
    mode: ClusterMode,
  ): readonly EndpointResource[] => {
    const options = { keep: isAddress, mutualTlsOnly: mode === 'sniDnat' };
    const view: EndpointView = { endpoints, mesh, policies, place, node };
    const sources = [service.source, ...(rule?.sources ?? [])];
    return edsClusters(service, rule?.rule, sidecar, mode).map(({ name, port, subset }) => {
      const localities = clusterEndpoints(service, port, rule?.rule, subset, view, options);
      const message = { cluster_name: name, endpoints: localities.length ? localities : undefined };
      return Object.freeze({ name, message: Object.freeze(message), sources });
    });
  },
);

const assignmentList = memo(
  (
    scope: Scope,
    endpoints: EndpointIndex,
    place: Place,
    node: string,
    sidecar: boolean,
  ): Translated<ClusterLoadAssignment> => {
    const { mesh, destinationRules, peerAuthentications } = scope;
    const resources: EndpointResource[] = [];
    for (const mode of clusterModes(scope.gateways)) {
      for (const service of scope.services) {
        const rule = destinationRules.get(service.hostname);
        const assignments = serviceAssignments(
          service,
          endpoints.get(endpointsKey(service)),
          rule,
          mesh,
          policiesOf(peerAuthentications, mesh.rootNamespace, service.namespace),
          placeRead(place, placesRead(service, rule?.rule, mesh.config)),
          service.nodeLocal ? node : '',
          sidecar,
          mode,
        );
        for (const assignment of assignments) resources.push(assignment);
      }
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
  const node = scope.services.some(service => service.nodeLocal) ? traits.node : '';
  return assignmentList(scope, endpoints, placeOf(scope, workload, traits), node, traits.type === 'sidecar');
}

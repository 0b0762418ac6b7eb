/** EDS: the load assignment of every cluster that takes its endpoints from the control plane. */

import { isIP } from 'node:net';
import type { PeerAuthentication } from '../../istio/config.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { eachOf, memo, type Name, oneList } from '../../memo.ts';
import {
  type Endpoint,
  type EndpointIndex,
  endpointsKey,
  type ServiceEndpoints,
} from '../../model/endpoints/endpoint.ts';
import type { Identity } from '../../model/identify.ts';
import type { EffectiveDestinationRule } from '../../model/routing/destination-rules.ts';
import type { Service } from '../../model/services/service.ts';
import { locationReads } from '../destinations/balancing.ts';
import { type ClusterScope, clusterScope } from '../destinations/cluster-scope.ts';
import { type ClusterMode, edsClusters } from '../destinations/cluster-targets.ts';
import { type EndpointResource, resource } from '../resource.ts';
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
    node: Name | undefined,
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
    node: Name | undefined,
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

const plans = memo((scope: ClusterScope, location: ProxyLocation, node: Name | undefined, sidecar: boolean) => {
  const { mesh, destinationRules, peerAuthentications } = scope;
  const all = scope.modes.flatMap(mode => {
    const planner = plannerOf(mesh, destinationRules, peerAuthentications, location, node, sidecar, mode);
    return planner(scope.services).filter(plan => plan !== undefined);
  });
  // Proxies at other locations have the same where nothing depends on it.
  return oneList(all);
});

const plansFor = memo(({ scope, workload, traits }: Identity): readonly ServicePlan[] => {
  const own = clusterScope(scope);
  const node = own.byNode ? traits.node : undefined;
  return plans(own, locationOf(own, workload, traits), node, traits.type === 'sidecar');
});

const assignments = memo((services: readonly ServicePlan[], endpoints: EndpointIndex): readonly EndpointResource[] => {
  const resources: EndpointResource[] = [];
  for (const { key, assign } of services) {
    for (const assignment of assign(endpoints.get(key))) resources.push(assignment);
  }
  return resources;
});

/**
 * The load assignments for a proxy, one for each EDS cluster of its scope, empty ones included. When one Service's endpoints change, only
 * that Service's are made again; proxies on different nodes share all that does not depend on where they are.
 */
export const endpointAssignments = (identity: Identity, endpoints: EndpointIndex): readonly EndpointResource[] =>
  assignments(plansFor(identity), endpoints);

import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { LbEndpoint, LocalityLbEndpoints } from '../../../src/proto/generated/envoy/config/endpoint/v3.ts';
import type { Messages } from '../../support/translation.ts';
import { addresses, addressOf, assigned, priorities } from './cluster.ts';
import { localityOf } from './localities.ts';
import { transportSocketMatch } from './transport-socket.ts';

/** An endpoint that gets a cluster's traffic. */
export interface Endpoint {
  /** `address:port` */
  readonly address: string;
  /** Of the cluster's traffic. */
  readonly percent: number;
  /** `region/zone/subzone`, as far as it is known. */
  readonly locality?: string;
  /** The transport socket, where the cluster has one for each kind of endpoint. */
  readonly transport?: string;
}

const weightOf = (endpoint: LbEndpoint): number => endpoint.load_balancing_weight?.value ?? 1;
const weightOfAll = (endpoints: readonly LbEndpoint[] = []): number =>
  endpoints.reduce((sum, e) => sum + weightOf(e), 0);

/** Shares by the weights of localities and within each by those of endpoints, where the cluster asks for it; by those of endpoints otherwise. */
function shared(cluster: Cluster, groups: readonly LocalityLbEndpoints[]): readonly Endpoint[] {
  const byLocality = cluster.common_lb_config?.locality_weighted_lb_config !== undefined;
  const weightOfGroup = (group: LocalityLbEndpoints): number =>
    byLocality ? (group.load_balancing_weight?.value ?? 0) : weightOfAll(group.lb_endpoints);
  const total = groups.reduce((sum, group) => sum + weightOfGroup(group), 0);
  return groups.flatMap(group => {
    const { lb_endpoints: endpoints = [] } = group;
    const locality = localityOf(group);
    return endpoints.map(endpoint => {
      const transport = transportSocketMatch(cluster, endpoint)?.name;
      const percent = (100 * weightOfGroup(group) * weightOf(endpoint)) / (weightOfAll(endpoints) * total);
      return { address: addressOf(endpoint), percent, ...(locality && { locality }), ...(transport && { transport }) };
    });
  });
}

/** The assigned endpoints of the best priority; none where the cluster finds them otherwise. */
export const assignedEndpoints = (messages: Messages, cluster: Cluster): readonly Endpoint[] =>
  shared(cluster, priorities(assigned(messages, cluster))[0] ?? []);

/** The addresses of the other priorities, best first. */
export const failoverOf = (messages: Messages, cluster: Cluster): readonly (readonly string[])[] =>
  priorities(assigned(messages, cluster)).slice(1).map(addresses);

const DRAINING = 3;

/** Endpoints that get no new sessions, and only what belongs to sessions that they have. */
export function drainingOf(messages: Messages, cluster: Cluster): readonly string[] {
  const keeps = cluster.common_lb_config?.override_host_status?.statuses?.includes(DRAINING) ?? false;
  const all = assigned(messages, cluster).flatMap(group => group.lb_endpoints ?? []);
  return keeps ? all.filter(e => e.health_status === DRAINING).map(addressOf) : [];
}

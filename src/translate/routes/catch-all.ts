import type { MeshSettings } from '../../istio/settings.ts';
import { memo } from '../../memo.ts';
import type { Scope } from '../../model/scope/scope.ts';
import type { Route, VirtualHost } from '../../proto/generated/envoy/config/route/v3.ts';
import {
  ALLOW_ANY_DYNAMIC_DNS,
  ALLOW_ANY_DYNAMIC_DNS_CLUSTER,
  outboundClusterName,
  PASSTHROUGH_CLUSTER,
} from '../names.ts';
import { timeouts } from './action.ts';
import { countsAttempts } from './virtual-host.ts';

/** The cluster of what no listener or virtual host takes: what the Sidecar names, else the one that goes where the client meant to. */
export const egressCluster = ({ egressProxy }: Scope['outboundPolicy']): string =>
  egressProxy ? outboundClusterName(egressProxy.host, egressProxy.port, egressProxy.subset) : PASSTHROUGH_CLUSTER;

const toCluster = (name: string, cluster: string): Route => ({ name, route: { cluster, ...timeouts(undefined) } });

function catchAllRoute(policy: Scope['outboundPolicy']): Route {
  switch (policy.mode) {
    case 'REGISTRY_ONLY':
      return { name: 'block_all', direct_response: { status: 502 } };
    case 'ALLOW_ANY_DYNAMIC_DNS':
      return toCluster(ALLOW_ANY_DYNAMIC_DNS, ALLOW_ANY_DYNAMIC_DNS_CLUSTER);
    default:
      return toCluster('allow_any', egressCluster(policy));
  }
}

/** Where requests go that no virtual host takes: on to where they were going, to the egress proxy, or nowhere (istio: buildCatchAllVirtualHost). */
export const catchAll = memo((policy: Scope['outboundPolicy'], mesh: MeshSettings): VirtualHost => {
  const route = catchAllRoute(policy);
  return {
    name: route.name,
    domains: ['*'],
    routes: [{ ...route, match: { prefix: '/' } }],
    ...(countsAttempts(mesh) && { include_request_attempt_count: true }),
  };
});

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

/** Where requests go that no virtual host takes: on to where they were going, to the egress proxy, or nowhere (istio: buildCatchAllVirtualHost). */
export const catchAll = memo((policy: Scope['outboundPolicy'], mesh: MeshSettings): VirtualHost => {
  const { mode, egressProxy } = policy;
  const counted = countsAttempts(mesh) && { include_request_attempt_count: true };
  if (mode === 'REGISTRY_ONLY') {
    const route: Route = { name: 'block_all', match: { prefix: '/' }, direct_response: { status: 502 } };
    return { name: 'block_all', domains: ['*'], routes: [route], ...counted };
  }
  const cluster = egressProxy
    ? outboundClusterName(egressProxy.host, egressProxy.port, egressProxy.subset)
    : PASSTHROUGH_CLUSTER;
  if (mode === 'ALLOW_ANY_DYNAMIC_DNS') {
    const action = { cluster: ALLOW_ANY_DYNAMIC_DNS_CLUSTER, ...timeouts(undefined) };
    const route: Route = { name: ALLOW_ANY_DYNAMIC_DNS, match: { prefix: '/' }, route: action };
    return { name: ALLOW_ANY_DYNAMIC_DNS, domains: ['*'], routes: [route], ...counted };
  }
  const route: Route = { name: 'allow_any', match: { prefix: '/' }, route: { cluster, ...timeouts(undefined) } };
  return { name: 'allow_any', domains: ['*'], routes: [route], ...counted };
});

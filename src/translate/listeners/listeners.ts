import { memo } from '../../memo.ts';
import type { EndpointIndex } from '../../model/endpoints/endpoint.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import type { Scope } from '../../model/scope/scope.ts';
import type { Listener } from '../../proto/generated/envoy/config/listener/v3.ts';
import type { ListenerResource, Translated } from '../resource.ts';
import { catchAll } from '../routes/catch-all.ts';
import { distinct } from './addresses.ts';
import { inboundContext, listenerContext, outboundContext } from './context.ts';
import { gatewayListeners } from './gateway/gateway.ts';
import { inboundListeners } from './inbound/inbound.ts';
import { mutualTlsFor } from './inbound/mutual-tls.ts';
import { egressProxyProblems } from './outbound/egress-proxy.ts';
import { httpProxy } from './outbound/http-proxy.ts';
import { listenerResource, outboundListeners } from './outbound/outbound.ts';
import { dynamicDnsFilter, virtualOutbound } from './outbound/virtual-outbound.ts';

function sidecarListeners(
  scope: Scope,
  workload: Workload,
  traits: Traits,
  endpoints: EndpointIndex,
): Translated<Listener> {
  const out = listenerContext(scope, workload, traits, 'outbound');
  const outbound = outboundContext(scope, out);
  const within = listenerContext(scope, workload, traits, 'inbound');
  const mutualTls = mutualTlsFor(scope.mesh, workload.policies.peerAuthentications, traits.agent);
  const { outboundPolicy, mesh } = scope;
  const dynamic =
    outboundPolicy.mode === 'ALLOW_ANY_DYNAMIC_DNS'
      ? dynamicDnsFilter(outbound.http, catchAll(outboundPolicy, mesh))
      : undefined;
  const virtual =
    traits.interception === 'NONE'
      ? []
      : [listenerResource(virtualOutbound(outbound.tcp, traits, outbound.catchAll, out.accessLogs, dynamic))];
  const inbound = inboundListeners(workload, traits, inboundContext(within), mutualTls, within.accessLogs);
  const planned = outboundListeners(scope, traits, endpoints, workload.ownAddresses, outbound);
  const { others, problems } = distinct(
    [...virtual, ...inbound.resources],
    [...planned.resources, ...(scope.egress.some(({ port }) => !port) ? httpProxy(outbound.http) : [])],
  );
  // Envoy takes them one by one: where these have left an address, another listener may have it now.
  const resources: readonly ListenerResource[] = [...virtual, ...inbound.resources, ...others];
  return {
    resources,
    problems: [
      ...egressProxyProblems(scope),
      ...within.problems,
      ...inbound.problems,
      ...planned.problems,
      ...problems,
    ],
  };
}

/** The listeners of a proxy (istio: BuildListeners). */
export const listeners = memo(
  (scope: Scope, workload: Workload, traits: Traits, endpoints: EndpointIndex): Translated<Listener> =>
    traits.type === 'router'
      ? gatewayListeners(scope, workload, traits)
      : sidecarListeners(scope, workload, traits, endpoints),
);

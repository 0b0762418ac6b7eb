import type { Problem } from '../../config/problem.ts';
import { memo, one } from '../../memo.ts';
import type { EndpointIndex } from '../../model/endpoints/endpoint.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import type { Scope } from '../../model/scope/scope.ts';
import type { Service } from '../../model/services/service.ts';
import type { Listener } from '../../proto/generated/envoy/config/listener/v3.ts';
import { nameTable } from '../name-table.ts';
import type { ListenerResource, Translated } from '../resource.ts';
import { catchAll } from '../routes/catch-all.ts';
import { addressesTaken, othersBeside } from './addresses.ts';
import { listenerResource } from './chains/listener.ts';
import { listenerContext, outboundContext } from './context.ts';
import { gatewayListeners } from './gateway/gateway.ts';
import { inboundListeners } from './inbound/inbound.ts';
import { mutualTlsFor } from './inbound/mutual-tls.ts';
import { answersDns, dnsListeners, resolvingOf } from './outbound/dns.ts';
import { egressProxyProblems } from './outbound/egress-proxy.ts';
import { httpProxy } from './outbound/http-proxy.ts';
import { outboundListeners } from './outbound/outbound.ts';
import { dynamicDnsFilter, virtualOutbound } from './outbound/virtual-outbound.ts';

function sidecarListeners(
  scope: Scope,
  workload: Workload,
  traits: Traits,
  endpoints: EndpointIndex,
): readonly Translated<Listener>[] {
  const out = listenerContext(scope, workload, traits, 'outbound');
  const outbound = outboundContext(scope, out);
  const within = listenerContext(scope, workload, traits, 'inbound');
  const mutualTls = mutualTlsFor(scope.mesh, workload.policies.peerAuthentications, traits.certificates);
  const { outboundPolicy, mesh } = scope;
  const dynamic =
    outboundPolicy.mode === 'ALLOW_ANY_DYNAMIC_DNS'
      ? dynamicDnsFilter(outbound.http, catchAll(outboundPolicy, mesh))
      : undefined;
  const virtual =
    traits.interception === 'NONE'
      ? []
      : [listenerResource(virtualOutbound(outbound.tcp, traits, outbound.catchAll, out.accessLogs, dynamic))];
  const inbound = inboundListeners(workload, traits, within.chains, mutualTls, within.accessLogs);
  const planned = outboundListeners(scope, traits, endpoints, workload.ownAddresses, outbound);
  const proxies = scope.egress.some(({ port }) => !port) ? httpProxy(outbound.http) : NO_LISTENERS;
  const own = ownListeners(egressProxyProblems(scope), within.problems, inbound, ...virtual);
  // Envoy takes them one by one: where these have left an address, another listener may have it now.
  const others = othersBeside(addressesTaken(own.resources), planned, proxies);
  return answersDns(traits)
    ? [dnsListeners(resolvingOf(traits), nameTable(scope, traits, endpoints)), own, others]
    : [own, others];
}

const NO_LISTENERS: readonly ListenerResource[] = [];

/** The listeners that a proxy is redirected to, and those of its own workload. */
const ownListeners = memo(
  (
    ofEgress: readonly Problem[],
    ofPolicies: readonly Problem[],
    inbound: Translated<Listener>,
    ...virtual: readonly ListenerResource[]
  ): Translated<Listener> =>
    Object.freeze({
      resources: [...virtual, ...inbound.resources],
      problems: [...ofEgress, ...ofPolicies, ...inbound.problems],
    }),
);

const haveAliases = memo((services: readonly Service[]): boolean => services.some(({ aliases }) => aliases.length > 0));
const anywhere = memo((traits: Traits): Traits => one({ ...traits, dnsDomain: '' }));

/**
 * What of a proxy's traits its listeners read: the domain by which it calls Services is read for their aliases alone. Proxies of different
 * namespaces that see the same share their outbound listeners.
 */
export const listenerTraits = ({ egress }: Scope, traits: Traits): Traits =>
  egress.some(({ services }) => haveAliases(services)) ? traits : anywhere(traits);

/** The listeners of a proxy (istio: BuildListeners): its own, then those that it shares with all that see the same. */
export const listeners = (
  scope: Scope,
  workload: Workload,
  traits: Traits,
  endpoints: EndpointIndex,
): readonly Translated<Listener>[] =>
  traits.type === 'router'
    ? [gatewayListeners(scope, workload, traits)]
    : sidecarListeners(scope, workload, traits, endpoints);

import { typeName, unpackAs } from '../../src/proto/any.ts';
import type { FilterChain } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import type { Any } from '../../src/proto/generated/google/protobuf.ts';
import type { Messages } from '../support/translation.ts';
import type { Call, Outcome } from './call.ts';
import { accessLogsOf, logged } from './downstream/access-log.ts';
import { downstreamTls, handshake } from './downstream/downstream-tls.ts';
import { throughHttp } from './downstream/http.ts';
import { chainFor, listenerFor } from './downstream/listener.ts';
import { listenerPolicyOf } from './downstream/listener-policy.ts';
import { throughTcp } from './downstream/tcp.ts';
import { istioFiltersOf } from './filters/istio-filters.ts';
import { networkDenial } from './filters/rbac.ts';
import { connectionLimitsOf } from './filters/traffic-limits.ts';
import { hostOfConnection } from './upstream/forward-proxy.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const TCP = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const RBAC = 'envoy.extensions.filters.network.rbac.v3.RBAC';

/** Walks a call through what a proxy is sent, as Envoy would: listener, filter chain, filters, route, cluster, endpoints. */
export function simulate(messages: Messages, call: Call): Outcome {
  const listener = listenerFor(messages.listeners, call);
  if (!listener) return { failure: 'no listener' };
  const chain = chainFor(listener, call);
  const at: Outcome = { listener: listener.name ?? '', listenerPolicy: listenerPolicyOf(listener, chain, call) };
  if (!chain) return { ...at, ...logged(accessLogsOf(listener.access_log)), failure: 'no filter chain' };
  const tls = downstreamTls(chain);
  const refused = handshake(chain, call);
  return {
    ...at,
    ...(chain.name && { chain: chain.name }),
    ...(tls && { tls }),
    ...(refused ? { failure: refused } : throughChain(messages, chain, call)),
  };
}

function throughChain(messages: Messages, chain: FilterChain, call: Call): Outcome {
  const filters = chain.filters ?? [];
  for (const [index, { typed_config: any }] of filters.entries()) {
    const passed = filters.slice(0, index + 1);
    const taken = any && takenBy(messages, any, chain, call);
    if (!taken) continue;
    return {
      networkFilters: passed.map(f => f.name ?? ''),
      connectionLimits: connectionLimitsOf(passed),
      istioFilters: istioFiltersOf(passed),
      ...taken,
    };
  }
  return { failure: 'no terminal filter' };
}

/** What a network filter makes of the connection; undefined where it leaves it to the next. */
function takenBy(
  messages: Messages,
  any: Any,
  { filters = [], transport_socket: terminates }: FilterChain,
  call: Call,
): Outcome | undefined {
  switch (typeName(any.type_url ?? '')) {
    case RBAC: {
      const denial = networkDenial(unpackAs(RBAC, any), call);
      return denial ? { failure: denial } : undefined;
    }
    case HCM:
      if (call.protocol === 'tcp') return { failure: 'not HTTP' };
      if (call.tls && !terminates) return { failure: 'TLS where plaintext HTTP is expected' };
      return throughHttp(messages, unpackAs(HCM, any), call);
    case TCP:
      return throughTcp(messages, unpackAs(TCP, any), call, hostOfConnection(filters, call));
    default:
      return undefined;
  }
}

import type { TcpProxy } from '../../../src/proto/generated/envoy/extensions/filters/network/tcp_proxy/v3.ts';
import type { Messages } from '../../support/translation.ts';
import type { Call, Outcome } from '../call.ts';
import { choices } from '../route/action.ts';
import { tcpHashKeys } from '../route/hash-key.ts';
import { destination } from '../upstream/destination.ts';
import { accessLogsOf, logged } from './access-log.ts';
import { tcpPolicyOf } from './tcp-policy.ts';

/** What becomes of a connection whose bytes are forwarded. `resolved`: what its filters have found for a dynamic cluster. */
export function throughTcp(messages: Messages, proxy: TcpProxy, call: Call, resolved: string | undefined): Outcome {
  const found = proxy.cluster
    ? [{ cluster: proxy.cluster, percent: 100 }]
    : choices((proxy.weighted_clusters?.clusters ?? []).map(c => ({ name: c.name, weight: c.weight ?? 0 })));
  const tcpPolicy = tcpPolicyOf(proxy);
  return {
    ...logged(accessLogsOf(proxy.access_log)),
    tcpPolicy,
    ...destination(messages, found, call, { hash: tcpHashKeys(proxy.hash_policy), resolved }),
  };
}

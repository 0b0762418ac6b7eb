import type { TcpProxy } from '../../../src/proto/generated/envoy/extensions/filters/network/tcp_proxy/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';

/** What a TCP proxy does with a connection beside forwarding its bytes. Durations are milliseconds. */
export interface TcpPolicy {
  /** Without a byte, after which the connection is closed. */
  readonly downstreamIdleTimeout?: number;
  readonly connectionDuration?: number;
  /** The bytes go through an HTTP proxy: the method, and the host and port that it is asked for. */
  readonly tunnel?: { readonly method: 'CONNECT' | 'POST'; readonly to: string };
}

/** The policy of a TCP proxy. */
export function tcpPolicyOf(proxy: TcpProxy): TcpPolicy {
  const { idle_timeout: idle, max_downstream_connection_duration: duration, tunneling_config: tunnel } = proxy;
  return {
    ...(idle && { downstreamIdleTimeout: milliseconds(idle) }),
    ...(duration && { connectionDuration: milliseconds(duration) }),
    ...(tunnel && { tunnel: { method: tunnel.use_post ? 'POST' : 'CONNECT', to: tunnel.hostname ?? '' } }),
  };
}

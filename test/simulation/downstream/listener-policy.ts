import type { FilterChain, Listener } from '../../../src/proto/generated/envoy/config/listener/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';
import type { Call } from '../call.ts';
import { isDisabled } from './listener.ts';

/** How a listener treats a connection before any filter of its chain sees it. Durations are milliseconds. */
export interface ListenerPolicy {
  /** Names of the listener filters that look at it, in order. */
  readonly listenerFilters?: readonly string[];
  /** Bytes that it holds back. */
  readonly downstreamBuffer?: number;
  /** How long inspectors wait for the first bytes; 0 is for ever. */
  readonly inspectionTimeout?: number;
  /** How long a TLS handshake may take, where the chain says so. */
  readonly handshakeTimeout?: number;
  /** Connections that may wait to be accepted. */
  readonly backlog?: number;
  /** Options of its socket, as `level/name`. */
  readonly socketOptions?: Readonly<Record<string, number>>;
  /** Worker threads get the same number of connections. */
  readonly balanced?: true;
  /** It takes connections as TPROXY hands them over, with the address that they are meant for. */
  readonly transparent?: true;
  /** The application sees the client's own address. */
  readonly keepsSource?: true;
}

const ORIGINAL_SRC = 'envoy.filters.listener.original_src';

/** The policy of a listener and the chain that takes a call. */
export function listenerPolicyOf(listener: Listener, chain: FilterChain | undefined, call: Call): ListenerPolicy {
  const filters = (listener.listener_filters ?? []).filter(f => !isDisabled(f.filter_disabled, call.port));
  const buffer = listener.per_connection_buffer_limit_bytes?.value;
  const options = (listener.socket_options ?? []).map(o => [`${o.level ?? 0}/${o.name ?? 0}`, o.int_value ?? 0]);
  const handshake = chain?.transport_socket_connect_timeout;
  return {
    ...(filters.length > 0 && { listenerFilters: filters.map(f => f.name ?? '') }),
    ...(buffer !== undefined && { downstreamBuffer: buffer }),
    ...(listener.listener_filters_timeout && { inspectionTimeout: milliseconds(listener.listener_filters_timeout) }),
    ...(handshake && { handshakeTimeout: milliseconds(handshake) }),
    ...(listener.tcp_backlog_size && { backlog: listener.tcp_backlog_size.value ?? 0 }),
    ...(options.length > 0 && { socketOptions: Object.fromEntries(options) }),
    ...(listener.connection_balance_config?.exact_balance && { balanced: true }),
    ...(listener.transparent?.value && { transparent: true }),
    ...(filters.some(f => f.name === ORIGINAL_SRC) && { keepsSource: true }),
  };
}

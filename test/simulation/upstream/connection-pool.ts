import { unpackAs } from '../../../src/proto/any.ts';
import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { HttpProtocolOptions } from '../../../src/proto/generated/envoy/extensions/upstreams/http/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';
import type { Call } from '../call.ts';
import { wrappedNumber } from '../message/wrapped-number.ts';

/** The connections of a cluster. Durations are milliseconds; what is absent is unlimited, or Envoy's own. */
export interface ConnectionPool {
  readonly connectTimeout: number;
  /** Istio's maxConnections, http1MaxPendingRequests, http2MaxRequests and maxRetries. */
  readonly limits?: {
    readonly connections?: number;
    readonly pendingRequests?: number;
    readonly requests?: number;
    readonly retries?: number;
  };
  /** Probes, and seconds. */
  readonly keepalive?: { readonly probes?: number; readonly time?: number; readonly interval?: number };
  /** Of HTTP calls: what is spoken to the endpoint; `client` is what the client speaks. */
  readonly upstreamProtocol?: 'HTTP/1.1' | 'HTTP/2' | 'client' | 'auto';
  readonly concurrentStreams?: number;
  readonly requestsPerConnection?: number;
  readonly idleTimeout?: number;
  readonly connectionDuration?: number;
  readonly maxResponseHeaders?: number;
}

const UNLIMITED = 4_294_967_295;
const DEFAULT_PRIORITY = 0;

function limitsOf({ circuit_breakers }: Cluster): ConnectionPool['limits'] {
  const found = circuit_breakers?.thresholds?.find(t => (t.priority ?? DEFAULT_PRIORITY) === DEFAULT_PRIORITY);
  // What a cluster does not say is Envoy's own limit.
  const all = {
    connections: wrappedNumber(found?.max_connections, 1024),
    pendingRequests: wrappedNumber(found?.max_pending_requests, 1024),
    requests: wrappedNumber(found?.max_requests, 1024),
    retries: wrappedNumber(found?.max_retries, 3),
  };
  const limited = Object.entries(all).filter(([, value]) => value !== UNLIMITED);
  return limited.length > 0 ? Object.fromEntries(limited) : undefined;
}

function keepaliveOf({ upstream_connection_options }: Cluster): ConnectionPool['keepalive'] {
  const keepalive = upstream_connection_options?.tcp_keepalive;
  if (!keepalive) return undefined;
  const { keepalive_probes: probes, keepalive_time: time, keepalive_interval: interval } = keepalive;
  return {
    ...(probes && { probes: probes.value ?? 0 }),
    ...(time && { time: time.value ?? 0 }),
    ...(interval && { interval: interval.value ?? 0 }),
  };
}

const HTTP = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** A cluster's options for HTTP, as extension of the cluster. */
export function httpOptionsOf(cluster: Cluster): HttpProtocolOptions | undefined {
  const any = cluster.typed_extension_protocol_options?.[HTTP];
  return any && unpackAs(HTTP, any);
}

function protocolOf(options: HttpProtocolOptions | undefined): NonNullable<ConnectionPool['upstreamProtocol']> {
  if (options?.use_downstream_protocol_config) return 'client';
  if (options?.auto_config) return 'auto';
  return options?.explicit_http_config?.http2_protocol_options ? 'HTTP/2' : 'HTTP/1.1';
}

function httpPool(cluster: Cluster): Partial<ConnectionPool> {
  const options = httpOptionsOf(cluster);
  const common = options?.common_http_protocol_options;
  const h2 =
    options?.explicit_http_config?.http2_protocol_options ??
    options?.use_downstream_protocol_config?.http2_protocol_options;
  const requests = common?.max_requests_per_connection ?? cluster.max_requests_per_connection;
  return {
    upstreamProtocol: protocolOf(options),
    ...(h2?.max_concurrent_streams && { concurrentStreams: h2.max_concurrent_streams.value ?? 0 }),
    ...(requests && { requestsPerConnection: requests.value ?? 0 }),
    ...(common?.idle_timeout && { idleTimeout: milliseconds(common.idle_timeout) }),
    ...(common?.max_connection_duration && { connectionDuration: milliseconds(common.max_connection_duration) }),
    ...(common?.max_headers_count && { maxResponseHeaders: common.max_headers_count.value ?? 0 }),
  };
}

/** How a cluster connects for a call. */
export function connectionPoolOf(cluster: Cluster, call: Call): ConnectionPool {
  const limits = limitsOf(cluster);
  const keepalive = keepaliveOf(cluster);
  return {
    connectTimeout: cluster.connect_timeout ? milliseconds(cluster.connect_timeout) : 5000,
    ...(limits && { limits }),
    ...(keepalive && { keepalive }),
    ...(call.protocol !== 'tcp' && httpPool(cluster)),
  };
}

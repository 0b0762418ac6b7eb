/** Circuit breakers, connect timeout and TCP keep-alive of a cluster (istio: the rest of applyConnectionPool). */

import type {
  CircuitBreakers,
  Cluster,
  UpstreamConnectionOptions,
} from '../../proto/generated/envoy/config/cluster/v3.ts';
import type { MeshConfig } from '../../proto/generated/istio/mesh/v1alpha1.ts';
import type {
  ConnectionPoolSettings,
  ConnectionPoolSettings_TCPSettings_TcpKeepalive as Keepalive,
  TrafficPolicy_RetryBudget as RetryBudget,
} from '../../proto/generated/istio/networking/v1alpha3.ts';

/** Istio lifts Envoy's limits of 1024 (and 3 retries): a limit is what a DestinationRule sets, 0 counting as not set. */
const limit = (value: number | undefined) => ({ value: value && value > 0 ? value : 4294967295 });

function circuitBreakers(
  pool: ConnectionPoolSettings | undefined,
  retryBudget: RetryBudget | undefined,
): CircuitBreakers {
  return {
    thresholds: [
      {
        max_connections: limit(pool?.tcp?.maxConnections),
        max_pending_requests: limit(pool?.http?.http1MaxPendingRequests),
        max_requests: limit(pool?.http?.http2MaxRequests),
        max_retries: limit(pool?.http?.maxRetries),
        retry_budget: retryBudget && {
          budget_percent: { value: retryBudget.percent ? (retryBudget.percent.value ?? 0) : 20 },
          budget_interval: retryBudget.budgetInterval,
          min_retry_concurrency: { value: retryBudget.minRetryConcurrency || 3 },
        },
      },
    ],
  };
}

function connectionOptions(
  mesh: Keepalive | undefined,
  rule: Keepalive | undefined,
): UpstreamConnectionOptions | undefined {
  if (!mesh && !rule) return undefined;
  const seconds = (field: 'time' | 'interval') => {
    const duration = rule?.[field] ?? mesh?.[field];
    return duration && { value: duration.seconds ?? 0 };
  };
  const probes = rule?.probes || mesh?.probes;
  return {
    tcp_keepalive: {
      keepalive_probes: probes ? { value: probes } : undefined,
      keepalive_time: seconds('time'),
      keepalive_interval: seconds('interval'),
    },
  };
}

/** The fields of a cluster that its connection pool decides, without the HTTP options. */
export function connectionPool(
  mesh: MeshConfig,
  pool: ConnectionPoolSettings | undefined,
  retryBudget: RetryBudget | undefined,
): Pick<Cluster, 'connect_timeout' | 'circuit_breakers' | 'upstream_connection_options'> {
  return {
    connect_timeout: pool?.tcp?.connectTimeout ?? mesh.connectTimeout,
    circuit_breakers: circuitBreakers(pool, retryBudget),
    upstream_connection_options: connectionOptions(mesh.tcpKeepalive, pool?.tcp?.tcpKeepalive),
  };
}

import type { Filter } from '../../../src/proto/generated/envoy/config/listener/v3.ts';
import type { HttpFilter } from '../../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';
import { filterConfig } from './filter-config.ts';

/** How much the filters let through. */
export interface TrafficLimits {
  /** Connections at a time. */
  readonly connectionLimit?: number;
  /** The longest body that a request may have. */
  readonly maxRequestBytes?: number;
  /** The bucket that every request takes a token from. */
  readonly rateLimit?: { readonly maxTokens: number; readonly tokensPerFill: number; readonly fillInterval: number };
}

const BUFFER = 'envoy.extensions.filters.http.buffer.v3.Buffer';
const RATE_LIMIT = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const CONNECTION_LIMIT = 'envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit';

/** The limits of HTTP filters; of several of a kind the tightest. */
export function requestLimitsOf(filters: readonly HttpFilter[]): TrafficLimits {
  const bytes = filters.flatMap(f => filterConfig(BUFFER, f.typed_config)?.max_request_bytes?.value ?? []);
  const [bucket] = filters.flatMap(f => filterConfig(RATE_LIMIT, f.typed_config)?.token_bucket ?? []);
  return {
    ...(bytes.length > 0 && { maxRequestBytes: Math.min(...bytes) }),
    ...(bucket && {
      rateLimit: {
        maxTokens: bucket.max_tokens ?? 0,
        tokensPerFill: bucket.tokens_per_fill?.value ?? 1,
        fillInterval: milliseconds(bucket.fill_interval ?? {}),
      },
    }),
  };
}

/** The limits of network filters; of several the tightest. */
export function connectionLimitsOf(filters: readonly Filter[]): TrafficLimits {
  const limits = filters.flatMap(f => filterConfig(CONNECTION_LIMIT, f.typed_config)?.max_connections?.value ?? []);
  return limits.length > 0 ? { connectionLimit: Math.min(...limits) } : {};
}

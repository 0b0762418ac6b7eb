import type { Route, RouteConfiguration, VirtualHost } from '../../../src/proto/generated/envoy/config/route/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';

/** What a route asks for beside its action. */
export interface RoutePolicy {
  /** Milliseconds without a byte after which the request ends, where the route has its own. */
  readonly streamIdleTimeout?: number;
  /** The endpoint is told how often the request was tried. */
  readonly attemptCount?: true;
  /** Headers that only clients inside may send. */
  readonly internalOnlyHeaders?: readonly string[];
}

/** The policy of a route. */
export function routePolicyOf(routes: RouteConfiguration, virtualHost: VirtualHost, { route }: Route): RoutePolicy {
  return {
    ...(route?.idle_timeout && { streamIdleTimeout: milliseconds(route.idle_timeout) }),
    ...(virtualHost.include_request_attempt_count && { attemptCount: true }),
    ...(routes.internal_only_headers?.length && { internalOnlyHeaders: routes.internal_only_headers }),
  };
}

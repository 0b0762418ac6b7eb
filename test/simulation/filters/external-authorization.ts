import type { ExtAuthz } from '../../../src/proto/generated/envoy/extensions/filters/http/ext_authz/v3.ts';
import type { ListStringMatcher } from '../../../src/proto/generated/envoy/type/matcher/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';
import { stringMatches, written } from '../match/match.ts';

/** A server that is asked whether a request may pass. */
export interface Authorizer {
  readonly cluster: string;
  readonly protocol: 'grpc' | 'http';
  /** Before the request's path in that of the question. */
  readonly prefix?: string;
  /** Milliseconds. */
  readonly timeout: number;
  /** What happens where it does not answer. */
  readonly onError: 'allow' | number;
  /** The most of the body that it is shown; absent: none. */
  readonly bodyBytes?: number;
  /** Headers of the request that it is shown, beside those that it always is. */
  readonly shown?: readonly string[];
  /** Headers that are added to the question. */
  readonly adds?: Readonly<Record<string, string>>;
  /** Headers of its answer that the application gets where the request passes. */
  readonly toUpstream?: readonly string[];
  /** And the client, where it does. */
  readonly toClient?: readonly string[];
  /** And the client, where it does not. */
  readonly toDenied?: readonly string[];
}

const names = (list: ListStringMatcher | undefined): readonly string[] => (list?.patterns ?? []).map(written);

/** The server that a filter asks. */
export function authorizerOf(filter: ExtAuthz): Authorizer {
  const { grpc_service: grpc, http_service: http } = filter;
  const timeout = grpc?.timeout ?? http?.server_uri?.timeout;
  const response = http?.authorization_response;
  const shown = names(filter.allowed_headers);
  const toUpstream = names(response?.allowed_upstream_headers);
  const toClient = names(response?.allowed_client_headers_on_success);
  const toDenied = names(response?.allowed_client_headers);
  const added = http?.authorization_request?.headers_to_add ?? [];
  return {
    cluster: grpc?.envoy_grpc?.cluster_name ?? http?.server_uri?.cluster ?? '',
    protocol: grpc ? 'grpc' : 'http',
    ...(http?.path_prefix && { prefix: http.path_prefix }),
    timeout: timeout ? milliseconds(timeout) : 200,
    onError: filter.failure_mode_allow ? 'allow' : (filter.status_on_error?.code ?? 403),
    ...(filter.with_request_body && { bodyBytes: filter.with_request_body.max_request_bytes ?? 0 }),
    ...(shown.length > 0 && { shown }),
    ...(added.length > 0 && { adds: Object.fromEntries(added.map(h => [h.key ?? '', h.value ?? ''])) }),
    ...(toUpstream.length > 0 && { toUpstream }),
    ...(toClient.length > 0 && { toClient }),
    ...(toDenied.length > 0 && { toDenied }),
  };
}

/** Whether a filter asks at all: Istio's asks where the policies of its provider matched in the shadow of RBAC before it. */
export function isAsked(filter: ExtAuthz, shadow: Readonly<Record<string, string>>): boolean {
  const matcher = filter.filter_enabled_metadata;
  if (!matcher) return true;
  const value = shadow[(matcher.path ?? []).map(segment => segment.key ?? '').join('.')];
  const fits = value !== undefined && !!matcher.value?.string_match && stringMatches(matcher.value.string_match, value);
  return fits !== Boolean(matcher.invert);
}

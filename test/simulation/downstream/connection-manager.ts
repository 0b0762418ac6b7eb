import { typeName, unpackAs } from '../../../src/proto/any.ts';
import {
  HttpConnectionManager_ForwardClientCertDetails as ForwardClientCert,
  type HttpConnectionManager,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from '../../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import { milliseconds } from '../../../src/proto/wellknown.ts';
import type { Call, Outcome } from '../call.ts';
import { enumName } from '../message/enum-name.ts';

/** What a connection manager does to every request, whatever its route. */
export interface ConnectionManager {
  /** Proxies before this one whose `x-forwarded-for` is believed. */
  readonly trustedHops: number;
  readonly normalizesPath: boolean;
  readonly mergesSlashes: boolean;
  /** The `server` of an answer; absent where the endpoint's own is kept. */
  readonly server?: string;
  /** A request without `x-request-id` is given one. */
  readonly requestId: boolean;
  /** Envoy's name of what becomes of `x-forwarded-client-cert`. */
  readonly clientCert: string;
  /** Of a client's connection without a request, in milliseconds, and of its headers: where they are not Envoy's own. */
  readonly downstreamIdleTimeout?: number;
  readonly maxRequestHeadersKb?: number;
  /** Headers of HTTP/1.1 keep the case that they came with. */
  readonly keepsHeaderCase?: true;
  /** Requests and answers carry `x-envoy-…` headers. */
  readonly envoyHeaders: boolean;
}

const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';

function suppressesHeaders({ http_filters }: HttpConnectionManager): boolean {
  const any = http_filters?.find(f => typeName(f.typed_config?.type_url ?? '') === ROUTER)?.typed_config;
  return (any && unpackAs(ROUTER, any).suppress_envoy_headers) ?? false;
}

/** The settings of a connection manager. */
export function connectionManagerOf(manager: HttpConnectionManager): ConnectionManager {
  const keepsServer = manager.server_header_transformation === ServerHeader.PASS_THROUGH;
  const idle = manager.common_http_protocol_options?.idle_timeout;
  return {
    trustedHops: manager.xff_num_trusted_hops ?? 0,
    normalizesPath: manager.normalize_path?.value ?? false,
    mergesSlashes: manager.merge_slashes ?? false,
    ...(!keepsServer && { server: manager.server_name || 'envoy' }),
    requestId: manager.generate_request_id ? (manager.generate_request_id.value ?? false) : true,
    clientCert: enumName(ForwardClientCert, manager.forward_client_cert_details ?? 0),
    ...(idle && { downstreamIdleTimeout: milliseconds(idle) }),
    ...(manager.max_request_headers_kb && { maxRequestHeadersKb: manager.max_request_headers_kb.value ?? 0 }),
    ...(manager.http_protocol_options?.header_key_format?.stateful_formatter && { keepsHeaderCase: true }),
    envoyHeaders: !suppressesHeaders(manager),
  };
}

/** What it answers to a version of HTTP that it does not speak. */
export function versionRefused(manager: HttpConnectionManager, call: Call): Outcome['response'] {
  const speaks = call.version !== '1.0' || manager.http_protocol_options?.accept_http_10;
  return speaks ? undefined : { status: 426 };
}

/** A call without what its client says of those before it, where the manager is at the edge of the mesh and believes nobody. */
export function believed(manager: HttpConnectionManager, call: Call): Call {
  const { forwarded, ...own } = call;
  return forwarded && manager.use_remote_address?.value ? own : call;
}

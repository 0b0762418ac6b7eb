import type { AccessLog } from './downstream/access-log.ts';
import type { ConnectionManager } from './downstream/connection-manager.ts';
import type { DownstreamTls } from './downstream/downstream-tls.ts';
import type { ListenerPolicy } from './downstream/listener-policy.ts';
import type { TcpPolicy } from './downstream/tcp-policy.ts';
import type { Tracing } from './downstream/tracing.ts';
import type { Authorizer } from './filters/external-authorization.ts';
import type { IstioFilters } from './filters/istio-filters.ts';
import type { TrafficLimits } from './filters/traffic-limits.ts';
import type { HashKey } from './route/hash-key.ts';
import type { HeaderChanges } from './route/header-changes.ts';
import type { Retry } from './route/retry.ts';
import type { RoutePolicy } from './route/route-policy.ts';
import type { ClusterPolicy } from './upstream/cluster-policy.ts';
import type { Discovery } from './upstream/discovery.ts';

/** A connection, and the request on it, as the application or the network offers it to a proxy. */
export interface Call {
  /** `outbound`: from the proxy's own application, redirected; `inbound`: to it; `gateway`: to a port that the proxy itself listens on. */
  readonly direction: 'outbound' | 'inbound' | 'gateway';
  /** Where the connection was meant to go. */
  readonly address: string;
  readonly port: number;
  /** The Unix socket that the client connects to instead. */
  readonly socket?: string;
  /** `false` where the pod excludes the port from interception; what goes to loopback is never captured. */
  readonly captured?: boolean;
  /** `http` unless given. */
  readonly protocol?: 'http' | 'tcp';
  /** The `Host` header, with a port or without; the address where there is none. */
  readonly host?: string;
  /** With the query. */
  readonly path?: string;
  readonly method?: string;
  /** Of HTTP: `1.1` unless given. */
  readonly version?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the client says where it speaks TLS; `principal` is the SPIFFE id of its certificate. */
  readonly tls?: { readonly sni?: string; readonly alpn?: readonly string[]; readonly principal?: string };
  /** The client's address. */
  readonly source?: string;
  /** The subset that a VirtualService would name for the destination: that of the cluster which the route chooses. */
  readonly subset?: string;
  /** The address of the client's own client, as a proxy before it says in `x-forwarded-for`. */
  readonly forwarded?: string;
  /** Claims of a valid JWT, as the JWT filter would put them into the request's metadata. */
  readonly claims?: Readonly<Record<string, string | readonly string[]>>;
}

/** mTLS as another sidecar of the mesh begins it. */
export const mutualTls = (principal: string, sni = ''): NonNullable<Call['tls']> => ({
  sni,
  alpn: ['istio-peer-exchange', 'istio'],
  principal,
});

/** A cluster that can be chosen, with its share in percent. */
export interface Choice {
  readonly cluster: string;
  readonly percent: number;
}

/** What becomes of a call. Absent fields: nothing of that kind happens. */
export interface Outcome {
  readonly listener?: string;
  readonly chain?: string;
  /** How the chain ends TLS. */
  readonly tls?: DownstreamTls;
  /** Why the call goes nowhere: the connection is closed, or nothing answers. */
  readonly failure?: string;
  readonly routes?: string;
  readonly virtualHost?: string;
  readonly route?: string;
  /** Under which the route counts its requests. */
  readonly statPrefix?: string;
  /** Answered by the proxy itself. */
  readonly response?: { readonly status: number; readonly body?: string; readonly location?: string };
  readonly choices?: readonly Choice[];
  /** `address:port` of the endpoints of all choices that may get traffic. */
  readonly endpoints?: readonly string[];
  /** The share of each endpoint in percent. */
  readonly shares?: Readonly<Record<string, number>>;
  /** Where those endpoints are of which it is known. */
  readonly endpointLocalities?: Readonly<Record<string, string>>;
  /** Where traffic goes once the endpoints before are ejected or gone: addresses by priority, the first one left out. */
  readonly failover?: readonly (readonly string[])[];
  /** Endpoints that get only what belongs to sessions that they have. */
  readonly draining?: readonly string[];
  /** One for each cluster that may be chosen. */
  readonly discovery?: readonly Discovery[];
  /** What decides which endpoint it is, in order, where the cluster's load balancer hashes. */
  readonly hash?: readonly HashKey[];
  /** The request as the endpoint gets it. */
  readonly host?: string;
  readonly path?: string;
  readonly requestHeaders?: HeaderChanges;
  readonly responseHeaders?: HeaderChanges;
  /** What is done beside that for one of several clusters only. */
  readonly destinations?: Readonly<Record<string, Pick<Outcome, 'host' | 'requestHeaders' | 'responseHeaders'>>>;
  /** Milliseconds; 0 is for ever. */
  readonly timeout?: number;
  readonly retry?: Retry;
  readonly mirrors?: readonly Choice[];
  readonly fault?: {
    readonly delay?: { readonly milliseconds: number; readonly percent: number };
    readonly abort?: { readonly status: number; readonly grpcStatus?: number; readonly percent: number };
  };
  readonly listenerPolicy?: ListenerPolicy;
  /** Names of the network filters that see the connection, the last of which takes it. */
  readonly networkFilters?: readonly string[];
  /** Names of the HTTP filters that may see the request, in order. */
  readonly httpFilters?: readonly string[];
  readonly connectionLimits?: TrafficLimits;
  readonly requestLimits?: TrafficLimits;
  readonly accessLogs?: readonly AccessLog[];
  readonly tracing?: Tracing;
  readonly istioFilters?: IstioFilters;
  readonly manager?: ConnectionManager;
  readonly routePolicy?: RoutePolicy;
  readonly tcpPolicy?: TcpPolicy;
  /** Of the cluster, where one only is chosen. */
  readonly clusterPolicy?: ClusterPolicy;
  /** Servers that are asked whether the request may pass. */
  readonly asks?: readonly Authorizer[];
  /** The request is marked for the audit log. */
  readonly audited?: true;
  /** What policies that are only tried out say. */
  readonly dryRun?: { readonly allow?: string; readonly deny?: string };
  /** Names of the transport sockets, by the condition on the endpoint, where the cluster has several; or of the only one. */
  readonly transport?: readonly string[];
  /** The transport socket of each endpoint, where the cluster has several. */
  readonly transports?: Readonly<Record<string, string>>;
  /** The names of which the endpoints' certificates must have one. */
  readonly subjectAltNames?: readonly string[];
}

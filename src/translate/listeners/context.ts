import type { Problem } from '../../config/problem.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { memo, one } from '../../memo.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import type { Scope } from '../../model/scope/scope.ts';
import type { AccessLog } from '../../proto/generated/envoy/config/accesslog/v3.ts';
import type { HttpFilter } from '../../proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import type { PluginConfig } from '../../proto/generated/stats.ts';
import { agentResolver, sharedForwardProxy } from '../clusters/dynamic-dns.ts';
import { tcpStats } from '../filters/istio-build.ts';
import { NO_SECURITY, type SecurityFilters, securityFilters } from '../filters/security.ts';
import { type ProviderHosts, providerHosts } from '../provider-cluster.ts';
import type { ListenerClass } from '../proxy-config.ts';
import type { HttpContext } from './chains/http-connection-manager.ts';
import type { TcpContext } from './chains/network-filters.ts';
import type { InboundContext } from './inbound/chains.ts';
import type { OutboundContext } from './outbound/outbound.ts';
import { catchAllCluster, catchAllFilters } from './outbound/virtual-outbound.ts';
import { type AccessLogs, accessLogs } from './telemetry/access-log.ts';
import { metricsConfigs } from './telemetry/metrics.ts';
import { spanIdentity } from './telemetry/span-identity.ts';
import { telemetriesOf } from './telemetry/telemetry.ts';
import { type Tracing, tracingOf } from './telemetry/tracing.ts';

const tcpContext = memo(
  (
    mesh: MeshSettings,
    traits: Traits,
    logs: AccessLogs,
    security: SecurityFilters,
    metrics: readonly PluginConfig[],
    listener: ListenerClass,
  ): TcpContext =>
    Object.freeze({
      mesh,
      traits,
      listener,
      accessLogs: logs.tcp,
      customAuthorization: security.customTcp,
      authorization: security.tcp,
      metrics: tcpStats(traits.build, metrics),
    }),
);

const httpContext = memo(
  (
    mesh: MeshSettings,
    traits: Traits,
    logs: AccessLogs,
    tracing: Tracing,
    security: SecurityFilters,
    metrics: readonly PluginConfig[],
    listener: ListenerClass,
    dynamicDns: HttpFilter | undefined,
  ): HttpContext =>
    Object.freeze({
      mesh,
      traits,
      listener,
      accessLogs: logs.http,
      tracing,
      customAuthorization: security.customHttp,
      authentication: security.authentication,
      authorization: security.http,
      dynamicDns,
      metrics,
    }),
);

/** What a class of listeners of a proxy has in common: the contexts of its chains, and the listeners' own access log. */
export interface ListenerContext {
  readonly chains: { readonly tcp: TcpContext; readonly http: HttpContext };
  readonly accessLogs: readonly AccessLog[];
  /** What was wrong with the policies. */
  readonly problems: readonly Problem[];
}

const contextOf = memo(
  (
    mesh: MeshSettings,
    traits: Traits,
    hosts: ProviderHosts,
    listener: ListenerClass,
    isDynamic: boolean,
    isGuarded: boolean,
    workload: Workload,
  ): ListenerContext => {
    const telemetries = telemetriesOf(mesh, workload);
    const logs = accessLogs(mesh, telemetries, traits.build, traits.certificates === 'agent', hosts, listener);
    const tracing = tracingOf(mesh, telemetries, hosts, traits, spanIdentity(workload), listener);
    const metrics = metricsConfigs(mesh, telemetries, listener);
    const dynamicDns = isDynamic ? sharedForwardProxy(traits, agentResolver(traits)) : undefined;
    const security = isGuarded ? securityFilters(mesh, workload, hosts, traits.type === 'router') : NO_SECURITY;
    return {
      chains: one({
        tcp: tcpContext(mesh, traits, logs, security, metrics, listener),
        http: httpContext(mesh, traits, logs, tracing, security, metrics, listener, dynamicDns),
      }),
      accessLogs: logs.listener,
      problems: security.problems,
    };
  },
);

/** The context of a class of a workload's listeners. Its parts are interned, so that what does not depend on the workload is shared. */
export function listenerContext(
  scope: Scope,
  workload: Workload,
  traits: Traits,
  listener: ListenerClass,
  // Policies guard what comes in; a sidecar's own calls are guarded where they arrive.
  isGuarded = listener !== 'outbound',
): ListenerContext {
  const isDynamic = listener === 'outbound' && scope.outboundPolicy.mode === 'ALLOW_ANY_DYNAMIC_DNS';
  return contextOf(scope.mesh, traits, providerHosts(scope), listener, isDynamic, isGuarded, workload);
}

const withCatchAll = memo(
  ({ tcp, http }: ListenerContext['chains'], catchAll: OutboundContext['catchAll']): OutboundContext =>
    Object.freeze({ tcp, http, catchAll }),
);

/** The context of a sidecar's outbound listeners. */
export const outboundContext = (scope: Scope, { chains }: ListenerContext): OutboundContext =>
  withCatchAll(chains, catchAllFilters(chains.tcp, catchAllCluster(scope.outboundPolicy)));

/** The context of a sidecar's inbound chains. */
export const inboundContext = ({ chains }: ListenerContext): InboundContext => chains;

import type { Problem } from '../../config/problem.ts';
import type { MeshSettings } from '../../istio/settings.ts';
import { memo, one } from '../../memo.ts';
import type { Traits } from '../../model/proxy/traits.ts';
import type { Workload } from '../../model/proxy/workload.ts';
import type { Scope } from '../../model/scope/scope.ts';
import type { AccessLog } from '../../proto/generated/envoy/config/accesslog/v3.ts';
import { agentResolver, sharedForwardProxy } from '../clusters/dynamic-dns.ts';
import { tcpStats } from '../filters/istio-build.ts';
import { NO_SECURITY, securityFilters } from '../filters/security.ts';
import { type ProviderHosts, providerHosts } from '../provider-cluster.ts';
import type { ListenerClass } from '../proxy-config.ts';
import type { HttpContext } from './chains/http-connection-manager.ts';
import type { TcpContext } from './chains/network-filters.ts';
import type { OutboundContext } from './outbound/outbound.ts';
import { catchAllCluster, catchAllFilters } from './outbound/virtual-outbound.ts';
import { accessLogs } from './telemetry/access-log.ts';
import { metricsConfigs } from './telemetry/metrics.ts';
import { spanIdentity } from './telemetry/span-identity.ts';
import { telemetriesOf } from './telemetry/telemetry.ts';
import { tracingOf } from './telemetry/tracing.ts';

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
        tcp: one({
          mesh,
          traits,
          listener,
          accessLogs: logs.tcp,
          customAuthorization: security.customTcp,
          authorization: security.tcp,
          metrics: tcpStats(traits.build, metrics),
        }),
        http: one({
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

/** The context of a sidecar's outbound listeners. */
export const outboundContext = (scope: Scope, { chains }: ListenerContext): OutboundContext =>
  one({ ...chains, catchAll: catchAllFilters(chains.tcp, catchAllCluster(scope.outboundPolicy)) });

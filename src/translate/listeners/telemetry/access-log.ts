import type { Telemetry } from '../../../istio/config.ts';
import type { MeshSettings } from '../../../istio/settings.ts';
import { memo } from '../../../memo.ts';
import type { EnvoyBuild } from '../../../model/proxy/traits.ts';
import { hasExtension } from '../../../model/proxy/traits.ts';
import { extension } from '../../../proto/any.ts';
import type { AccessLog, AccessLogFilter } from '../../../proto/generated/envoy/config/accesslog/v3.ts';
import type { ProviderHosts } from '../../provider-cluster.ts';
import type { ListenerClass } from '../../proxy-config.ts';
import { meshFileAccessLog } from './access-log-format.ts';
import { grpcAccessLog, providerAccessLog } from './access-log-provider.ts';
import { loggingSpecs } from './telemetry.ts';

/** The access logs of a class of listeners. */
export interface AccessLogs {
  readonly http: readonly AccessLog[];
  readonly tcp: readonly AccessLog[];
  /** Of the listener itself: connections that no filter chain takes. */
  readonly listener: readonly AccessLog[];
}

/** Connections without a filter chain carry the flag NR; every other one is logged by its chain. */
const NO_CHAIN: AccessLogFilter = { response_flag_filter: { flags: ['NR'] } };

const CEL_FILTER = 'envoy.access_loggers.extension_filters.cel';

const celFilter = (expression: string): AccessLogFilter => ({
  extension_filter: extension(CEL_FILTER, 'envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter', {
    expression,
  }),
});

const withFilters = (log: AccessLog, filters: readonly AccessLogFilter[]): AccessLog => {
  const [only] = filters;
  if (only === undefined) return log;
  return { ...log, filter: filters.length === 1 ? only : { and_filter: { filters } } };
};

/** The access log service is a cluster of the bootstrap that an agent writes; Envoy rejects a listener that names it where there is none. */
function fromMesh(mesh: MeshSettings, agent: boolean): AccessLogs {
  const { accessLogFile, enableEnvoyAccessLogService, disableEnvoyListenerLog } = mesh.config;
  const file = accessLogFile ? [meshFileAccessLog(mesh, accessLogFile)] : [];
  const service = agent && enableEnvoyAccessLogService;
  return {
    http: [...file, ...(service ? [grpcAccessLog('http')] : [])],
    tcp: [...file, ...(service ? [grpcAccessLog('tcp')] : [])],
    listener: disableEnvoyListenerLog
      ? []
      : [...file, ...(service ? [grpcAccessLog('listener')] : [])].map(l => withFilters(l, [NO_CHAIN])),
  };
}

/** The access logs of a class of listeners: what Telemetry says, else what MeshConfig says. */
export const accessLogs = memo(
  (
    mesh: MeshSettings,
    telemetries: readonly Telemetry[],
    build: EnvoyBuild,
    agent: boolean,
    hosts: ProviderHosts,
    listener: ListenerClass,
  ): AccessLogs => {
    const specs = loggingSpecs(mesh, telemetries, listener);
    // Istio: an empty configuration counts as none.
    const logs = (specs ?? []).map(spec => ({ spec, log: providerAccessLog(mesh, spec.provider, hosts) }));
    const known = logs.filter(l => l.log !== undefined);
    if (known.length === 0) return fromMesh(mesh, agent);
    const made = known.flatMap(({ spec, log }) => {
      if (spec.disabled || log === undefined) return [];
      const expression = spec.filter?.expression;
      const cel = spec.filter && hasExtension(build, CEL_FILTER) ? [celFilter(expression ?? '')] : [];
      return [{ log, cel }];
    });
    const chains = made.map(({ log, cel }) => withFilters(log, cel));
    return {
      http: chains,
      tcp: chains,
      listener: mesh.config.disableEnvoyListenerLog
        ? []
        : made.map(({ log, cel }) => withFilters(log, [NO_CHAIN, ...cel])),
    };
  },
);

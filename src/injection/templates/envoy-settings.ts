import { isIP } from 'node:net';
import { formatDuration, parseDuration } from '../../proto/duration.ts';
import {
  type ProxyConfig,
  ProxyConfig_TracingServiceName as ServiceName,
} from '../../proto/generated/istio/mesh/v1alpha1.ts';
import { type Json, type JsonObject, own } from '../../unknown.ts';
import { type Endpoint, http2, socketAddress } from '../bootstrap.ts';
import { annotation, labelsOf, type Pod, PROXY } from '../pod.ts';
import { type StatsMatcher, statsFields } from '../stats.ts';
import type { TemplateContext } from '../template.ts';

/** What of a ProxyConfig, of the values and of a pod's annotations its Envoy is told when it starts, for as long as it runs (istio: pkg/bootstrap). */

const MAX_CONNECTIONS = 'overload.global_downstream_max_connections';

/** `HOST:PORT`, checked before. */
export function endpointIn(address: string): Endpoint {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  return { host, port: Number(port) };
}

/** Envoy's runtime: an empty value takes a default away; a text is not taken for a truth value by Envoy. */
export const runtimeOf = ({ runtimeValues = {} }: ProxyConfig): JsonObject =>
  Object.fromEntries(
    Object.entries(runtimeValues)
      .filter(([name]) => name !== MAX_CONNECTIONS)
      .map(([name, value]) => [name, value === 'true' || value === 'false' ? value === 'true' : value || null]),
  );

/** The fields of the bootstrap. `podIp` stands for `{pod_ip}` in names of statistics. */
export function envoySettings({ pod, proxy, values: { global } }: TemplateContext, podIp: string): JsonObject {
  const interval = (name: string, field: string): JsonObject => {
    const text = annotation(pod, `sidecar.istio.io/${name}`);
    const duration = text === undefined ? undefined : parseDuration(text);
    return duration ? { [field]: formatDuration(duration) } : {};
  };
  const sinks = sinksOf(proxy);
  const { outlierLogPath } = global.proxy;
  return {
    ...statsFields(onlySome(pod, proxy, podIp), bucketsOf(pod)),
    ...interval('statsFlushInterval', 'stats_flush_interval'),
    ...interval('statsEvictionInterval', 'stats_eviction_interval'),
    ...(sinks.length > 0 && { stats_sinks: sinks }),
    ...(global.logAsJson && { application_log_config: { log_format: { json_format: logLine } } }),
    ...(outlierLogPath && { cluster_manager: { outlier_detection: { event_log_path: outlierLogPath } } }),
    overload_manager: { resource_monitors: [connectionMonitor(proxy)] },
  };
}

/** As Istio's proxy writes a line. */
const logLine = {
  time: '%Y-%m-%dT%T.%fZ',
  level: '%l',
  scope: 'envoy %n',
  msg: '%j',
  caller: '%g:%#',
  thread: '%t',
};

/** How many connections it takes in all; as many as there are where that is not said, which Envoy would warn of. */
function connectionMonitor({ proxyMetadata = {}, runtimeValues = {} }: ProxyConfig): JsonObject {
  const told = proxyMetadata['ISTIO_META_GLOBAL_DOWNSTREAM_MAX_CONNECTIONS'] ?? runtimeValues[MAX_CONNECTIONS] ?? '';
  const most = /^[1-9]\d*$/.test(told) ? Math.min(Number(told), 2 ** 31 - 1) : 2 ** 31 - 1;
  return {
    name: 'envoy.resource_monitors.global_downstream_max_connections',
    typed_config: {
      '@type':
        'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
      max_active_downstream_connections: most,
    },
  };
}

/** The only statistics that are asked for, by annotations, else by the ProxyConfig; undefined where none are. */
function onlySome(pod: Pod, { proxyStatsMatcher: told = {} }: ProxyConfig, podIp: string): StatsMatcher | undefined {
  const names = (name: string, standard: readonly string[] = []): readonly string[] => {
    const text = annotation(pod, `sidecar.istio.io/statsInclusion${name}`);
    return (text ? text.split(',') : standard).map(pattern => pattern.replaceAll('{pod_ip}', podIp));
  };
  const only = {
    prefixes: names('Prefixes', told.inclusionPrefixes),
    suffixes: names('Suffixes', told.inclusionSuffixes),
    regexps: names('Regexps', told.inclusionRegexps),
  };
  return Object.values(only).some(list => list.length > 0) ? only : undefined;
}

/** Buckets of histograms, by the beginnings of their names; checked before. */
const bucketsOf = (pod: Pod): { readonly [prefix: string]: Json } =>
  JSON.parse(annotation(pod, 'sidecar.istio.io/statsHistogramBuckets') ?? '{}');

const METRICS_SERVICE = 'envoy_metrics_service';

/** Whether statistics may be sent as they are. */
export const hasPlainMetricsService = ({ envoyMetricsService: { tlsSettings } = {} }: ProxyConfig): boolean =>
  !tlsSettings?.mode;

const metricsAddress = (proxy: ProxyConfig): string =>
  hasPlainMetricsService(proxy) ? proxy.envoyMetricsService?.address || proxy.envoyMetricsServiceAddress || '' : '';

/** A StatsD server that Envoy can send to: it resolves no name there. */
export function statsdOf({ statsdUdpAddress }: ProxyConfig): Endpoint | undefined {
  const address = statsdUdpAddress ? endpointIn(statsdUdpAddress) : undefined;
  return address && isIP(address.host) ? address : undefined;
}

/** Where statistics are sent to. */
function sinksOf(proxy: ProxyConfig): readonly JsonObject[] {
  const statsd = statsdOf(proxy);
  const sink = (name: string, type: string, fields: JsonObject) => ({
    name: `envoy.stat_sinks.${name}`,
    typed_config: { '@type': `type.googleapis.com/envoy.config.metrics.v3.${type}`, ...fields },
  });
  const service = { transport_api_version: 'V3', grpc_service: { envoy_grpc: { cluster_name: METRICS_SERVICE } } };
  return [
    ...(metricsAddress(proxy) ? [sink('metrics_service', 'MetricsServiceConfig', service)] : []),
    ...(statsd ? [sink('statsd', 'StatsdSink', { address: socketAddress(statsd) })] : []),
  ];
}

/** The clusters of {@link sinksOf}. */
export function sinkClusters(proxy: ProxyConfig): readonly JsonObject[] {
  const address = metricsAddress(proxy);
  if (!address) return [];
  const { probes, time, interval } = proxy.envoyMetricsService?.tcpKeepalive ?? {};
  const seconds = (of: typeof time) => of?.seconds || undefined;
  const keepalive = {
    keepalive_probes: probes || undefined,
    keepalive_time: seconds(time),
    keepalive_interval: seconds(interval),
  };
  return [
    {
      name: METRICS_SERVICE,
      alt_stat_name: `${METRICS_SERVICE};`,
      type: 'STRICT_DNS',
      connect_timeout: '1s',
      typed_extension_protocol_options: http2,
      ...(Object.values(keepalive).some(Boolean) && { upstream_connection_options: { tcp_keepalive: keepalive } }),
      load_assignment: {
        cluster_name: METRICS_SERVICE,
        endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(endpointIn(address)) } }] }],
      },
    },
  ];
}

/** What the Envoy is called, in traces too, as the ProxyConfig says (istio: bootstrap getServiceCluster). `pod` is the injected one. */
export function serviceCluster({ proxy, workload }: TemplateContext, pod: Pod, namespace: string): string {
  const labels = labelsOf(pod);
  const { serviceCluster: name, tracingServiceName } = proxy;
  const canonical = own(labels, 'service.istio.io/canonical-name') || workload.name || PROXY;
  if (tracingServiceName === ServiceName.CANONICAL_NAME_ONLY) return canonical;
  if (tracingServiceName === ServiceName.CANONICAL_NAME_AND_NAMESPACE) return `${canonical}.${namespace}`;
  if (tracingServiceName === undefined && name && name !== PROXY) return name;
  const app = own(labels, 'app') ?? own(labels, 'app.kubernetes.io/name');
  return `${app || workload.name || PROXY}.${namespace}`;
}

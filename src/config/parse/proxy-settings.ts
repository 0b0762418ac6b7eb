import { reserved } from '../../istio/reserved-ports.ts';
import { defaultProxyConfig } from '../../istio/settings.ts';
import type { Duration } from '../../proto/generated/google/protobuf.ts';
import type {
  PrivateKeyProvider,
  ProxyConfig,
  ProxyConfig_ConnectionSettings,
  Tracing,
} from '../../proto/generated/istio/mesh/v1alpha1.ts';
import { isAddress } from '../address.ts';
import { checkDuration, checkNotNegative, milliseconds } from '../duration.ts';
import { hostFault } from '../host.ts';
import { checkPort } from '../port.ts';
import { entry, type Report } from '../report.ts';
import { checkClientTls } from './traffic-policy.ts';

/**
 * Reports settings of a proxy that it could not start or be sent anything with (istio: agent.ValidateMeshConfigProxyConfig), wherever they are from:
 * MeshConfig's `defaultConfig` or a pod's annotation. Given are the settings without them; in their place are the defaults.
 */
export function checkProxySettings(config: ProxyConfig, path: string, report: Report): ProxyConfig {
  const at = (field: keyof ProxyConfig) => `${path}.${field}`;
  for (const field of ['configPath', 'binaryPath'] as const)
    if (!config[field]) report.error(at(field), 'a path is needed');
  if (!config.serviceCluster && config.tracingServiceName === undefined)
    report.error(at('serviceCluster'), 'a name is needed');
  checkDrain(config.drainDuration, at('drainDuration'), report);
  checkNotNegative(config.terminationDrainDuration, at('terminationDrainDuration'), report);
  checkHostAndPort(config.discoveryAddress, at('discoveryAddress'), report);
  for (const field of ['statsdUdpAddress', 'envoyMetricsServiceAddress'] as const)
    if (config[field]) checkHostAndPort(config[field], at(field), report);
  for (const field of ['envoyMetricsService', 'envoyAccessLogService'] as const)
    if (config[field]?.address) checkHostAndPort(config[field].address, `${at(field)}.address`, report);
  for (const field of ['proxyAdminPort', 'statusPort'] as const)
    checkOwnPort(config[field], defaultProxyConfig[field], at(field), report);
  if (config.proxyAdminPort === config.statusPort) report.error(at('statusPort'), 'proxyAdminPort has the same port');
  if ((config.concurrency?.value ?? 0) < 0)
    report.error(at('concurrency'), 'the number of threads must not be negative');
  if (config.tracing) checkTracing(config.tracing, at('tracing'), report);
  if (config.privateKeyProvider) checkKeyProvider(config.privateKeyProvider, at('privateKeyProvider'), report);
  if (config.connectionSettings) checkConnections(config.connectionSettings, at('connectionSettings'), report);
  for (const name of Object.keys(config.proxyMetadata ?? {}))
    if (!variableName.test(name))
      report.error(entry(at('proxyMetadata'), name), 'no environment variable can have this name');
  return report.without(config, path, checked, defaultProxyConfig);
}

const checked = [
  ...(['configPath', 'binaryPath', 'serviceCluster', 'drainDuration', 'terminationDrainDuration'] as const),
  ...(['discoveryAddress', 'statsdUdpAddress', 'envoyMetricsServiceAddress', 'envoyMetricsService'] as const),
  ...(['envoyAccessLogService', 'proxyAdminPort', 'statusPort', 'concurrency', 'tracing'] as const),
  ...(['privateKeyProvider', 'connectionSettings', 'proxyMetadata'] as const),
];

/** As Kubernetes has it since 1.30: what can be printed, but for the sign that ends a name. */
const variableName = /^[\x20-\x3c\x3e-\x7e]+$/;

/** Reports what is no port, and one that the proxy has for something else. */
function checkOwnPort(port: number | undefined, standard: number | undefined, path: string, report: Report): void {
  checkPort(port, path, report);
  const fault = port === undefined || port === standard ? undefined : reserved(port);
  if (fault) report.error(path, fault);
}

function checkDrain(duration: Duration | undefined, path: string, report: Report): void {
  checkDuration(duration, path, report);
  if (duration && milliseconds(duration) >= 1 && milliseconds(duration) % 1000)
    report.error(path, 'expected whole seconds');
}

/** Reports what is no `HOST:PORT` (istio: agent.ValidateProxyAddress). */
function checkHostAndPort(address: string | undefined, path: string, report: Report): void {
  const [, bracketed, plain = '', port] = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d+)$/.exec(address ?? '') ?? [];
  if (port === undefined) {
    report.error(path, `"${address ?? ''}" is no address; expected HOST:PORT`);
    return;
  }
  checkPort(Number(port), path, report);
  const host = bracketed ?? plain;
  const fault = isAddress(host) ? undefined : hostFault(host);
  if (fault) report.error(path, fault);
}

/** A collector on the pod's own node. */
const onNode = (address: string | undefined): string => (address ?? '').replace('$(HOST_IP)', '127.0.0.1');

function checkTracing({ zipkin, lightstep, datadog, tlsSettings }: Tracing, path: string, report: Report): void {
  if (zipkin) checkHostAndPort(onNode(zipkin.address), `${path}.zipkin.address`, report);
  if (datadog) checkHostAndPort(onNode(datadog.address), `${path}.datadog.address`, report);
  if (lightstep) checkHostAndPort(lightstep.address, `${path}.lightstep.address`, report);
  if (lightstep && !lightstep.accessToken) report.error(`${path}.lightstep.accessToken`, 'it is needed');
  checkClientTls(tlsSettings, `${path}.tlsSettings`, report);
}

function checkKeyProvider({ cryptomb, qat }: PrivateKeyProvider, path: string, report: Report): void {
  const [name, provider] = cryptomb ? (['cryptomb', cryptomb] as const) : (['qat', qat] as const);
  if (!provider) report.error(path, 'expected cryptomb or qat');
  else if (!provider.pollDelay || milliseconds(provider.pollDelay) <= 0)
    report.error(`${path}.${name}.pollDelay`, 'a duration above 0 is needed');
}

/** What Envoy takes of each setting at least. */
const least: { readonly [field in keyof ProxyConfig_ConnectionSettings]?: number } = {
  listenerPerConnectionBufferLimitBytes: 0,
  clusterPerConnectionBufferLimitBytes: 0,
  httpMaxConcurrentStreams: 1,
  http2InitialStreamWindowSize: 65535,
  http2InitialConnectionWindowSize: 65535,
  listenerConnectionLimit: 1,
  globalDownstreamConnectionLimit: 1,
};

function checkConnections(settings: ProxyConfig_ConnectionSettings, path: string, report: Report): void {
  for (const [field, value] of Object.entries(settings)) {
    if (typeof value !== 'object') continue;
    const lowest = least[field as keyof typeof least];
    if (lowest === undefined) checkNotNegative(value as Duration, `${path}.${field}`, report);
    else if (((value as { readonly value?: number }).value ?? 0) < lowest)
      report.error(`${path}.${field}`, `expected at least ${lowest}`);
  }
}

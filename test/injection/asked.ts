/** What becomes of a setting that a pod may have of its sidecar. */
export type Outcome =
  /** The pod with a sidecar is another one with it. */
  | 'followed'
  /** Whoever makes the pod is told that this sidecar does not follow it. */
  | 'told'
  /** Somebody else reads it where it stands: Istio's agent, the control plane when a proxy connects, Prometheus. */
  | 'elsewhere'
  /** It is no wish: injection writes it, or Istio 1.31 reads it nowhere. */
  | 'no wish';

/** A value that somebody might give a setting, and what each sidecar makes of it. */
export interface Asked {
  readonly value: string;
  readonly envoy: Outcome;
  readonly 'istio-proxy': Outcome;
}

const all = (value: string, outcome: Outcome): Asked => ({ value, envoy: outcome, 'istio-proxy': outcome });
/** Istio's agent reads it in the pod's annotations, or in PROXY_CONFIG. */
const ofAgent = (value: string, envoy: Outcome): Asked => ({ value, envoy, 'istio-proxy': 'elsewhere' });

const traffic = (name: string, value: string) => [`traffic.sidecar.istio.io/${name}`, all(value, 'followed')] as const;
const statistics = (name: string, value: string, envoy: Outcome = 'followed') =>
  [`sidecar.istio.io/stats${name}`, ofAgent(value, envoy)] as const;

/** Every annotation that Istio has for pods (istio.io/api annotation/annotations.gen.go). */
export const annotations: Readonly<Record<string, Asked>> = {
  'ambient.istio.io/bypass-inbound-capture': all('true', 'no wish'),
  'ambient.istio.io/dns-capture': all('true', 'no wish'),
  'ambient.istio.io/redirection': all('enabled', 'no wish'),
  'galley.istio.io/analyze-suppress': all('*', 'elsewhere'),
  'gateway.istio.io/controller-version': all('5', 'no wish'),
  'inject.istio.io/templates': all('gateway', 'followed'),
  'istio.io/reroute-virtual-interfaces': all('docker0', 'followed'),
  'istio.io/rev': all('old', 'no wish'),
  'prometheus.istio.io/merge-metrics': all('false', 'followed'),
  'proxy.istio.io/config': all('proxyMetadata: {A: b}', 'followed'),
  'proxy.istio.io/overrides': all('{"containers":[{"name":"istio-proxy","workingDir":"/w"}]}', 'followed'),
  'readiness.status.sidecar.istio.io/applicationPorts': all('80', 'no wish'),
  'readiness.status.sidecar.istio.io/failureThreshold': all('7', 'followed'),
  'readiness.status.sidecar.istio.io/initialDelaySeconds': all('7', 'followed'),
  'readiness.status.sidecar.istio.io/periodSeconds': all('7', 'followed'),
  'sidecar.istio.io/agentLogLevel': { value: 'all:debug', envoy: 'told', 'istio-proxy': 'followed' },
  'sidecar.istio.io/bootstrapOverride': all('mine', 'followed'),
  'sidecar.istio.io/componentLogLevel': all('http:debug', 'followed'),
  'sidecar.istio.io/discoveryAddress': ofAgent('other.example:15012', 'followed'),
  'sidecar.istio.io/extraStatTags': ofAgent('a,b', 'told'),
  'sidecar.istio.io/inject': all('false', 'followed'),
  'sidecar.istio.io/interceptionMode': all('TPROXY', 'followed'),
  'sidecar.istio.io/logLevel': all('debug', 'followed'),
  'sidecar.istio.io/nativeSidecar': all('true', 'followed'),
  'sidecar.istio.io/proxyCPU': all('3m', 'followed'),
  'sidecar.istio.io/proxyCPULimit': all('3', 'followed'),
  'sidecar.istio.io/proxyImage': all('example.com/mine:1', 'followed'),
  'sidecar.istio.io/proxyImageType': { value: 'debug', envoy: 'told', 'istio-proxy': 'followed' },
  'sidecar.istio.io/proxyMemory': all('3Mi', 'followed'),
  'sidecar.istio.io/proxyMemoryLimit': all('3Gi', 'followed'),
  'sidecar.istio.io/rewriteAppHTTPProbers': all('false', 'followed'),
  'sidecar.istio.io/statsCompression': all('false', 'no wish'),
  'sidecar.istio.io/statsHistogramBins': all('{}', 'no wish'),
  ...Object.fromEntries([
    statistics('EvictionInterval', '60s'),
    statistics('FlushInterval', '10s'),
    statistics('HistogramBuckets', '{"cluster":[1,5.5]}'),
    statistics('InclusionPrefixes', 'http.{pod_ip}_,cluster.BlackHole'),
    statistics('InclusionRegexps', 'a.*b'),
    statistics('InclusionSuffixes', '_rq'),
    traffic('excludeInboundPorts', '7'),
    traffic('excludeInterfaces', 'eth7'),
    traffic('excludeOutboundIPRanges', '10.7.0.0/16'),
    traffic('excludeOutboundPorts', '7'),
    traffic('includeInboundPorts', '7'),
    traffic('includeOutboundIPRanges', '10.7.0.0/16'),
    traffic('includeOutboundPorts', '7'),
    traffic('kubevirtInterfaces', 'eth7'),
  ]),
  'sidecar.istio.io/status': all('{}', 'no wish'),
  'sidecar.istio.io/userVolume': all('{"mine":{"emptyDir":{}}}', 'followed'),
  'sidecar.istio.io/userVolumeMount': all('{"data":{"mountPath":"/mine"}}', 'followed'),
  'status.sidecar.istio.io/port': all('15777', 'followed'),
};

const keepalive = '{probes: 3, time: 10s}';

/** Every field of a ProxyConfig (istio.io/api mesh/v1alpha1/proxy.proto). */
export const proxyConfig: Readonly<Record<string, Asked>> = {
  availabilityZone: all('z', 'no wish'),
  binaryPath: all('/bin/envoy', 'no wish'),
  caCertificatesPem: all('[]', 'elsewhere'),
  concurrency: ofAgent('3', 'followed'),
  configPath: all('/etc/elsewhere', 'no wish'),
  connectionSettings: all('{profile: EDGE}', 'elsewhere'),
  controlPlaneAuthPolicy: ofAgent('NONE', 'followed'),
  customConfigFile: ofAgent('/a', 'told'),
  discoveryAddress: ofAgent('"other.example:15012"', 'followed'),
  discoveryRefreshDelay: all('1s', 'no wish'),
  drainDuration: ofAgent('7s', 'followed'),
  envoyAccessLogService: ofAgent('{address: "als.example:9000"}', 'told'),
  envoyMetricsService: ofAgent(`{address: "metrics.example:9000", tcpKeepalive: ${keepalive}}`, 'followed'),
  envoyMetricsServiceAddress: ofAgent('"metrics.example:9000"', 'followed'),
  extraStatTags: ofAgent('[a]', 'told'),
  fileFlushInterval: ofAgent('7s', 'followed'),
  fileFlushMinSizeKb: ofAgent('7', 'followed'),
  gatewayTopology: all('{numTrustedProxies: 1}', 'elsewhere'),
  holdApplicationUntilProxyStarts: all('true', 'followed'),
  image: { value: '{imageType: debug}', envoy: 'told', 'istio-proxy': 'followed' },
  interceptionMode: all('TPROXY', 'followed'),
  meshId: all('m', 'no wish'),
  privateKeyProvider: ofAgent('{cryptomb: {pollDelay: 1s}}', 'told'),
  proxyAdminPort: ofAgent('15777', 'followed'),
  proxyBootstrapTemplatePath: ofAgent('/a', 'told'),
  proxyHeaders: all('{server: {disabled: true}}', 'elsewhere'),
  proxyMetadata: all('{ISTIO_META_GLOBAL_DOWNSTREAM_MAX_CONNECTIONS: "5000"}', 'followed'),
  proxyStatsMatcher: ofAgent('{inclusionSuffixes: [_rq]}', 'followed'),
  readinessProbe: all('{httpGet: {port: 80}}', 'no wish'),
  runtimeValues: ofAgent(
    '{re2.max_program_size.error_level: "", overload.global_downstream_max_connections: "9"}',
    'followed',
  ),
  sds: all('{enabled: true}', 'no wish'),
  serviceCluster: ofAgent('mine', 'followed'),
  statNameLength: all('7', 'no wish'),
  statsCompression: ofAgent('false', 'followed'),
  statsdUdpAddress: ofAgent('"10.7.7.7:8125"', 'followed'),
  statusPort: ofAgent('15777', 'no wish'),
  terminationDrainDuration: ofAgent('7s', 'followed'),
  tracing: all('{sampling: 7}', 'elsewhere'),
  tracingServiceName: ofAgent('CANONICAL_NAME_ONLY', 'followed'),
  zipkinAddress: all('"z:9411"', 'no wish'),
};

import { entry, type Report } from '../config/report.ts';
import { isObject, type Json, type JsonObject } from '../unknown.ts';

/** What is passed on as it is: what it holds is Kubernetes' business. */
const nothing: JsonObject = {};
const noTexts: readonly string[] = [];
const resources: JsonObject = {
  limits: { cpu: '2000m', memory: '1024Mi' },
  requests: { cpu: '100m', memory: '128Mi' },
};

/**
 * What injection reads of the chart's values (key `values` of the ConfigMap istio-sidecar-injector), with Istio's own defaults
 * (manifests/charts/istio-control/istio-discovery/values.yaml).
 */
const defaultValues = {
  revision: '',
  global: {
    caAddress: '',
    caName: '',
    hub: 'docker.io/istio',
    tag: '1.31.0',
    variant: '',
    imagePullPolicy: '',
    imagePullSecrets: noTexts,
    istioNamespace: 'istio-system',
    logAsJson: false,
    logging: { level: 'default:info' },
    meshID: '',
    mountMtlsCerts: false,
    multiCluster: { clusterName: '' },
    nativeNftables: false,
    network: '',
    pilotCertProvider: 'istiod',
    proxy: {
      capNetBindService: '',
      clusterDomain: 'cluster.local',
      componentLogLevel: 'misc:error',
      excludeIPRanges: '',
      excludeInboundPorts: '',
      excludeOutboundPorts: '',
      holdApplicationUntilProxyStarts: false,
      image: 'proxyv2',
      includeIPRanges: '*',
      includeInboundPorts: '*',
      includeOutboundPorts: '',
      lifecycle: nothing,
      logLevel: 'warning',
      outlierLogPath: '',
      privileged: false,
      readinessFailureThreshold: 4,
      readinessInitialDelaySeconds: 0,
      readinessPeriodSeconds: 15,
      resources,
      seccompProfile: nothing,
      startupProbe: { enabled: true, failureThreshold: 600 },
      statusPort: 15020,
      tracer: 'none',
    },
    proxy_init: { forceApplyIptables: false, image: 'proxyv2' },
    sds: { token: { aud: 'istio-ca' } },
    sts: { servicePort: 0 },
    trustBundleName: '',
    trustDomain: '',
  },
  gateways: { securityContext: nothing },
  pilot: { cni: { enabled: false, provider: 'default' }, env: nothing, crlConfigMapName: '' },
  sidecarInjectorWebhook: { rewriteAppHTTPProbe: true },
  // Of Pilotlight alone: the images of the template `envoy`; `image` is the control plane's own, for the init container.
  pilotlight: { image: 'pilotlight', envoyImage: 'docker.io/envoyproxy/envoy:distroless-v1.40.0' },
};

type DeepReadonly<T> = string extends keyof T ? T : { readonly [K in keyof T]: DeepReadonly<T[K]> };

export type Values = DeepReadonly<typeof defaultValues>;
export type ProxyValues = Values['global']['proxy'];

/** Objects that are passed on as they are. */
const free = /\.(resources|seccompProfile|securityContext|lifecycle|env)$/;

const typeOf = (value: unknown): string => (Array.isArray(value) ? 'list' : value === null ? 'null' : typeof value);

/** The value if it has the type of the default; numbers and texts stand for each other, as Helm's `--set` may write either. */
function read(value: unknown, standard: Json, path: string, report: Report): Json {
  // How Helm takes away what its defaults say.
  if (value === null && free.test(path)) return {};
  if (value === undefined || value === null) return standard;
  if (isObject(standard) && isObject(value)) return free.test(path) ? value : overlay(value, standard, path, report);
  if (typeof standard === 'string' && (typeof value === 'number' || typeof value === 'boolean')) return String(value);
  if (typeof standard === 'number' && typeof value === 'string' && /^\d+$/.test(value)) return Number(value);
  if (typeof standard === 'boolean' && (value === 'true' || value === 'false')) return value === 'true';
  if (typeOf(value) === typeOf(standard)) return value as Json;
  report.error(path, `expected a ${typeOf(standard)}, not a ${typeOf(value)}; ${JSON.stringify(standard)} is in force`);
  return standard;
}

const overlay = (values: JsonObject, standard: JsonObject, path: string, report: Report): JsonObject =>
  Object.fromEntries(
    Object.entries(standard).map(([field, known]) => {
      const at = path ? entry(path, field) : field;
      return [field, read(Object.hasOwn(values, field) ? values[field] : undefined, known as Json, at, report)];
    }),
  );

/**
 * Values over their defaults; what has another type is reported, and its default is in force. Names that are not known are not read. `image` is
 * Pilotlight's own where they name none.
 */
export function readValues(values: JsonObject, path: string, report: Report, image?: string): Values {
  const { pilotlight } = defaultValues;
  const standard = image === undefined ? defaultValues : { ...defaultValues, pilotlight: { ...pilotlight, image } };
  return overlay(values, standard, path, report) as typeof standard;
}

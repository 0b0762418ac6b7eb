import { entry, type Report } from '../config/report.ts';
import type { Json, JsonObject, StringMap } from './pod.ts';
import { isObject } from './strategic-merge.ts';

/** What injection reads of the chart's values (key `values` of the ConfigMap istio-sidecar-injector), with the chart's own defaults. */
export interface Values {
  readonly revision: string;
  readonly global: {
    readonly caAddress: string;
    readonly caName: string;
    readonly hub: string;
    readonly tag: string;
    readonly variant: string;
    readonly imagePullPolicy: string;
    readonly imagePullSecrets: readonly string[];
    readonly istioNamespace: string;
    readonly logAsJson: boolean;
    readonly logging: { readonly level: string };
    readonly meshID: string;
    readonly mountMtlsCerts: boolean;
    readonly multiCluster: { readonly clusterName: string };
    readonly nativeNftables: boolean;
    readonly network: string;
    readonly pilotCertProvider: string;
    readonly proxy: ProxyValues;
    readonly proxy_init: { readonly forceApplyIptables: boolean; readonly image: string };
    readonly sds: { readonly token: { readonly aud: string } };
    readonly sts: { readonly servicePort: number };
    readonly trustBundleName: string;
    readonly trustDomain: string;
  };
  readonly gateways: { readonly securityContext: JsonObject };
  readonly pilot: {
    readonly cni: { readonly enabled: boolean; readonly provider: string };
    readonly env: JsonObject;
    readonly crlConfigMapName: string;
  };
  readonly sidecarInjectorWebhook: { readonly rewriteAppHTTPProbe: boolean };
  /** Of Pilotlight alone: the images of the template `envoy`; `image` is the control plane's own, for the init container. */
  readonly pilotlight: { readonly image: string; readonly envoyImage: string };
}

export interface ProxyValues {
  readonly capNetBindService: string;
  readonly clusterDomain: string;
  readonly componentLogLevel: string;
  readonly excludeIPRanges: string;
  readonly excludeInboundPorts: string;
  readonly excludeOutboundPorts: string;
  readonly holdApplicationUntilProxyStarts: boolean;
  readonly image: string;
  readonly includeIPRanges: string;
  readonly includeInboundPorts: string;
  readonly includeOutboundPorts: string;
  readonly lifecycle: JsonObject;
  readonly logLevel: string;
  readonly outlierLogPath: string;
  readonly privileged: boolean;
  readonly readinessFailureThreshold: number;
  readonly readinessInitialDelaySeconds: number;
  readonly readinessPeriodSeconds: number;
  readonly resources: JsonObject;
  readonly seccompProfile: JsonObject;
  readonly startupProbe: { readonly enabled: boolean; readonly failureThreshold: number };
  readonly statusPort: number;
  readonly tracer: string;
}

/** Istio's own defaults (manifests/charts/istio-control/istio-discovery/values.yaml). */
export const defaultValues: Values = {
  revision: '',
  global: {
    caAddress: '',
    caName: '',
    hub: 'docker.io/istio',
    tag: '1.31.0',
    variant: '',
    imagePullPolicy: '',
    imagePullSecrets: [],
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
      lifecycle: {},
      logLevel: 'warning',
      outlierLogPath: '',
      privileged: false,
      readinessFailureThreshold: 4,
      readinessInitialDelaySeconds: 0,
      readinessPeriodSeconds: 15,
      resources: { limits: { cpu: '2000m', memory: '1024Mi' }, requests: { cpu: '100m', memory: '128Mi' } },
      seccompProfile: {},
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
  gateways: { securityContext: {} },
  pilot: { cni: { enabled: false, provider: 'default' }, env: {}, crlConfigMapName: '' },
  sidecarInjectorWebhook: { rewriteAppHTTPProbe: true },
  pilotlight: { image: 'pilotlight', envoyImage: 'docker.io/envoyproxy/envoy:distroless-v1.40.0' },
};

/** Objects that are passed on as they are: what they hold is Kubernetes' business. */
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
export function readValues(values: unknown, path: string, report: Report, image?: string): Values {
  const { pilotlight } = defaultValues;
  const standard = image === undefined ? defaultValues : { ...defaultValues, pilotlight: { ...pilotlight, image } };
  if (values === undefined || values === null) return standard;
  if (!isObject(values)) {
    report.error(path, `expected an object, not a ${typeOf(values)}; the defaults are in force`);
    return standard;
  }
  return overlay(values, standard as unknown as JsonObject, path, report) as unknown as Values;
}

/** The image's tag with its variant: `1.31.0` and `distroless` make `1.31.0-distroless`; a variant that the tag has is replaced. */
function tagged(tag: string, variant: string): string {
  if (!variant) return tag;
  const plain = tag.replace(/-(distroless|debug)$/, '');
  return variant === 'default' ? plain : `${plain}-${variant}`;
}

/** Istio's image: `image` as a whole where it is a path, else by the hub and tag (inject.go ProxyImage). */
export function imageOf(
  image: string,
  name: string,
  type: string,
  { hub, tag, variant }: Values['global'],
  annotations: StringMap,
): string {
  if (image.includes('/')) return image;
  const chosen = annotations['sidecar.istio.io/proxyImageType'] ?? (type || variant);
  return `${hub}/${name}:${tagged(tag, chosen)}`;
}

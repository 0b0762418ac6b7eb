import type { ProxyConfig as ProxyConfigObject } from '../istio/config.ts';
import { byAge, selects } from '../istio/object.ts';
import type { MeshConfig, ProxyConfig } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { fromJson } from '../proto/json.ts';
import { messageOf } from '../unknown.ts';
import { parseYaml } from '../yaml/documents.ts';
import { annotation, labelsOf, type Pod } from './pod.ts';

/** The annotation with which a pod changes its own proxy's settings, as YAML. */
export const PROXY_CONFIG = 'proxy.istio.io/config';

/**
 * A ProxyConfig in YAML over another one, and what is wrong with it. Fields that it names take the place of the other's, but metadata and headers that
 * it does not name stay (mesh.MergeProxyConfig).
 */
export function readProxyConfig(
  text: string,
  base: ProxyConfig = {},
): { readonly value: ProxyConfig; readonly faults: readonly string[] } {
  let raw: unknown;
  try {
    raw = parseYaml(text) ?? {};
  } catch (error) {
    return { value: base, faults: [messageOf(error)] };
  }
  const { value, problems } = fromJson('istio.mesh.v1alpha1.ProxyConfig', raw, base);
  const faults = problems.filter(({ kind }) => kind === 'invalid');
  return {
    value: kept(base, value),
    faults: faults.map(({ path, message }) => (path ? `${path}: ${message}` : message)),
  };
}

/** The settings, with the metadata and headers of those before that they do not name themselves. */
function kept(base: ProxyConfig, over: ProxyConfig): ProxyConfig {
  const proxyMetadata = { ...base.proxyMetadata, ...over.proxyMetadata };
  const proxyHeaders = over.proxyHeaders && { ...base.proxyHeaders, ...over.proxyHeaders };
  const { serviceCluster, tracingServiceName, ...others } = over;
  return {
    ...others,
    ...(tracingServiceName === undefined ? { serviceCluster } : { tracingServiceName }),
    ...(Object.keys(proxyMetadata).length > 0 && { proxyMetadata }),
    ...(proxyHeaders && { proxyHeaders }),
  };
}

/** The settings with those of an object over them, as it can have them. */
const withObject = (
  base: ProxyConfig,
  { spec: { concurrency, image, environmentVariables } }: ProxyConfigObject,
): ProxyConfig =>
  kept(base, {
    ...base,
    ...(concurrency && { concurrency }),
    ...(image && { image }),
    ...(environmentVariables && { proxyMetadata: environmentVariables }),
  });

/**
 * The settings of a pod's proxy: the mesh's, over them those of ProxyConfigs for all, for the namespace and for the pod by labels; the
 * annotation has its say before the last ones (model/proxy_config.go EffectiveProxyConfig).
 */
export function effectiveProxyConfig(
  pod: Pod,
  namespace: string,
  mesh: MeshConfig,
  objects: readonly ProxyConfigObject[],
): ProxyConfig {
  const sorted = [...objects].sort(byAge);
  const forAll = (of: string) => sorted.find(({ meta, spec }) => meta.namespace === of && !spec.selector);
  const root = mesh.rootNamespace ?? '';
  const forPod = sorted.find(({ meta, spec }) => {
    const labels = spec.selector?.matchLabels ?? {};
    return meta.namespace === namespace && Object.keys(labels).length > 0 && selects(labels, labelsOf(pod));
  });
  const over = (base: ProxyConfig, object: ProxyConfigObject | undefined) => (object ? withObject(base, object) : base);
  const forMesh = over(mesh.defaultConfig ?? {}, root ? forAll(root) : undefined);
  const forNamespace = over(forMesh, namespace === root ? undefined : forAll(namespace));
  const own = annotation(pod, PROXY_CONFIG);
  return over(own === undefined ? forNamespace : readProxyConfig(own, forNamespace).value, forPod);
}

/** Where Prometheus asks the proxy. */
export const metricsPort = (mesh: MeshConfig): number => mesh.defaultConfig?.statusPort || 15020;

/** Where the kubelet asks it: there, too, unless the pod says otherwise; 0 for nowhere. */
export const probePort = (pod: Pod, mesh: MeshConfig): number =>
  Number(annotation(pod, 'status.sidecar.istio.io/port')?.trim() ?? metricsPort(mesh));

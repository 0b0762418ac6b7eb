import type { JsonObject } from '../../unknown.ts';
import { annotation, sortedEntries } from '../pod.ts';
import type { TemplateContext } from '../template.ts';

/** What the proxy reads of files: volumes, and where they are mounted. */

/** The token by which the control plane knows the pod. */
export const tokenVolume = ({ values: { global } }: TemplateContext): JsonObject => {
  const { aud: audience } = global.sds.token;
  const serviceAccountToken = { path: 'istio-token', expirationSeconds: 43200, audience };
  return { name: 'istio-token', projected: { sources: [{ serviceAccountToken }] } };
};

/** The certificates by which the pod knows the control plane. */
export const rootsVolume = ({ values: { global, pilot } }: TemplateContext): JsonObject => {
  const name = `istio.io:istiod-ca:${global.trustBundleName || 'root-cert'}`;
  return {
    name: 'istiod-ca-cert',
    ...(pilot.env['ENABLE_CLUSTER_TRUST_BUNDLE_API'] === true
      ? { projected: { sources: [{ clusterTrustBundle: { name, path: 'root-cert.pem' } }] } }
      : { configMap: { name: global.trustBundleName || 'istio-ca-root-cert' } }),
  };
};

/** The pod's labels and annotations as files. */
export const podInfoVolume = {
  name: 'istio-podinfo',
  downwardAPI: {
    items: ['labels', 'annotations'].map(path => ({ path, fieldRef: { fieldPath: `metadata.${path}` } })),
  },
};

const OVERRIDE = 'custom_bootstrap.json';

/**
 * The user's own bootstrap, from a ConfigMap: none, or one file with its mount and its volume. Istio's agent reads YAML in it, whatever its name says; Envoy goes by
 * the name `as` which it is mounted.
 */
export function bootstrapOverrides({ pod }: TemplateContext, as = OVERRIDE) {
  const configMap = annotation(pod, 'sidecar.istio.io/bootstrapOverride');
  if (configMap === undefined) return [];
  const [name, mountPath] = ['custom-bootstrap-volume', '/etc/istio/custom-bootstrap'];
  const items = as === OVERRIDE ? {} : { items: [{ key: OVERRIDE, path: as }] };
  const volume = { name, configMap: { name: configMap, ...items } };
  return [{ file: `${mountPath}/${as}`, mount: { name, mountPath }, volume }];
}

/** An annotation that holds an object of JSON, as entries sorted by name; refused before if it holds anything else. */
export const jsonEntries = (context: TemplateContext, name: string): readonly (readonly [string, JsonObject])[] => {
  const text = annotation(context.pod, name);
  const json = text === undefined ? {} : (JSON.parse(text) as { [name: string]: JsonObject } | readonly JsonObject[]);
  // What is in a list has a name of its own, which goes before its number.
  return Array.isArray(json) ? Object.entries(json) : sortedEntries(json as { readonly [name: string]: JsonObject });
};

const userItems =
  (name: string) =>
  (context: TemplateContext): readonly JsonObject[] =>
    jsonEntries(context, name).map(([key, item]) => ({ name: key, ...item }));

/** The user's own volumes, and their places in the proxy's container. */
export const userVolumes = userItems('sidecar.istio.io/userVolume');
export const userMounts = userItems('sidecar.istio.io/userVolumeMount');

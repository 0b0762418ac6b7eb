import type { ObjectMeta } from '../istio/object.ts';
import { memo } from '../memo.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import type { Metadata } from '../proto/generated/envoy/config/core/v3.ts';
import { struct } from '../proto/wellknown.ts';

const PATHS = {
  VirtualService: 'networking.istio.io/v1/namespaces/%/virtual-service',
  DestinationRule: 'networking.istio.io/v1/namespaces/%/destination-rule',
  Sidecar: 'networking.istio.io/v1/namespaces/%/sidecar',
} as const;

/** The path by which istioctl and dashboards know an object: `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews`. */
export const configPath = (kind: keyof typeof PATHS, meta: ObjectMeta): string =>
  `/apis/${PATHS[kind].replace('%', meta.namespace)}/${meta.name}`;

const KINDS = new Map(Object.entries(PATHS).map(([kind, path]) => [path.slice(path.lastIndexOf('/') + 1), kind]));

/** The object that a message's metadata says it came from. */
export function configObject(metadata: Metadata | undefined): ObjectKey | undefined {
  const path = metadata?.filter_metadata?.['istio']?.fields?.['config']?.string_value ?? '';
  const [, namespace = '', segment = '', name = ''] = /\/namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
  const kind = KINDS.get(segment);
  return kind === undefined ? undefined : objectKey(kind, namespace, name);
}

/** Metadata that says which object a route came from (istio: util.BuildConfigInfoMetadata). */
export const configMetadata = memo(
  (meta: ObjectMeta, kind: keyof typeof PATHS): Metadata => ({
    filter_metadata: { istio: struct({ config: configPath(kind, meta) }) },
  }),
);

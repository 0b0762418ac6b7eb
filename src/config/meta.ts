import type { ObjectMeta } from '../istio/object.ts';
import { objectKey } from '../object-key.ts';
import { type Fields, isFields, text, textMap } from './read.ts';
import { Report } from './report.ts';

const none: Fields = Object.freeze({});

/** The metadata of a raw object of a kind, and the report for the rest of it. */
export function readMeta(
  kind: string,
  raw: Fields,
  scope: 'namespaced' | 'cluster' = 'namespaced',
): { readonly meta: ObjectMeta; readonly report: Report } {
  const metadata = isFields(raw['metadata']) ? raw['metadata'] : none;
  const name = typeof metadata['name'] === 'string' ? metadata['name'] : '';
  const namespace = scope === 'namespaced' && typeof metadata['namespace'] === 'string' ? metadata['namespace'] : '';
  const key = objectKey(kind, namespace, name);
  const report = new Report(key);
  if (!name) report.error('metadata.name', 'every object needs a name');
  const created = text(metadata, 'creationTimestamp', 'metadata', report);
  const createdAt = created ? Date.parse(created) : 0;
  if (Number.isNaN(createdAt)) report.warning('metadata.creationTimestamp', `"${created}" is no RFC 3339 time`);
  const meta = {
    key,
    name,
    namespace,
    labels: textMap(metadata, 'labels', 'metadata', report),
    annotations: textMap(metadata, 'annotations', 'metadata', report),
    createdAt: createdAt || 0,
    resourceVersion: text(metadata, 'resourceVersion', 'metadata', report),
  };
  return { meta, report };
}

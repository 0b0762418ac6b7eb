import type { KubeConfigMap } from '../../istio/kubernetes.ts';
import { readMeta } from '../meta.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { isFields, text } from '../read.ts';

/** What is read: the roots and the list of what they have revoked, by Istio's names and those of kubernetes.io/tls (istio: ExtractRoot). */
const readFields = ['cacert', 'crl', 'ca.crt', 'ca.crl'] as const;

/** Whether a ConfigMap has roots: all others are not read. */
export const holdsRoots = ({ data }: RawObject): boolean =>
  isFields(data) && (data['cacert'] !== undefined || data['ca.crt'] !== undefined);

export function parseConfigMap(raw: RawObject): Parsed<KubeConfigMap> {
  const { meta, report } = readMeta('ConfigMap', raw);
  if (!meta.name) return { ok: false, problems: report.problems };
  const from = isFields(raw['data']) ? raw['data'] : {};
  const data: Record<string, Uint8Array> = {};
  for (const field of readFields) {
    const value = text(from, field, 'data', report);
    if (value) data[field] = Buffer.from(value);
  }
  return { ok: true, value: { kind: 'ConfigMap', meta, data }, problems: report.problems };
}

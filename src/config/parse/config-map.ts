import type { KubeConfigMap } from '../../istio/kubernetes.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { isFields, text } from '../read.ts';
import { parseKube } from './kube.ts';

/** What is read: the roots and the list of what they have revoked, by Istio's names and those of kubernetes.io/tls (istio: ExtractRoot). */
const readFields = ['cacert', 'crl', 'ca.crt', 'ca.crl'] as const;

/** Whether a ConfigMap has roots: all others are not read. */
export const holdsRoots = ({ data }: RawObject): boolean =>
  isFields(data) && (data['cacert'] !== undefined || data['ca.crt'] !== undefined);

export const parseConfigMap = (raw: RawObject): Parsed<KubeConfigMap> =>
  parseKube('ConfigMap', raw, (meta, report) => {
    const from = isFields(raw['data']) ? raw['data'] : {};
    const data: Record<string, Uint8Array> = {};
    for (const field of readFields) {
      const value = text(from, field, 'data', report);
      if (value) data[field] = Buffer.from(value);
    }
    return { kind: 'ConfigMap', meta, data };
  });

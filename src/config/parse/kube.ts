import type { ObjectMeta } from '../../istio/object.ts';
import { readMeta } from '../meta.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';

/** Reads an object of Kubernetes: `read` gives its value, undefined where it is of no use. One without a name is of none. */
export function parseKube<T>(
  kind: string,
  raw: RawObject,
  read: (meta: ObjectMeta, report: Report) => T | undefined,
  scope?: 'namespaced' | 'cluster',
): Parsed<T> {
  const { meta, report } = readMeta(kind, raw, scope);
  const value = meta.name ? read(meta, report) : undefined;
  const { problems } = report;
  return value === undefined ? { ok: false, problems } : { ok: true, value, problems };
}

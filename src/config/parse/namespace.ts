import type { KubeNamespace } from '../../istio/kubernetes.ts';
import { readMeta } from '../meta.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';

/** Reads a Namespace: its labels and annotations say which policies and revisions apply. */
export function parseNamespace(raw: RawObject): Parsed<KubeNamespace> {
  const { meta, report } = readMeta('Namespace', raw, 'cluster');
  if (!meta.name) return { ok: false, problems: report.problems };
  return { ok: true, value: { kind: 'Namespace', meta }, problems: report.problems };
}

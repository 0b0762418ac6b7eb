import type { ConfigObject } from '../../model/config.ts';
import type { MessageTypes } from '../../proto/generated/registry.ts';
import { fromJson } from '../../proto/json.ts';
import { readMeta } from '../meta.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import type { Report } from '../report.ts';

/**
 * Reads an Istio object: first its schema (unknown fields and wrong types are reported and left out), then what the schema cannot say.
 * `check` returns the spec without what is invalid, or undefined when nothing useful is left.
 */
export function parseIstio<K extends string, N extends keyof MessageTypes>(
  kind: K,
  message: N,
  raw: RawObject,
  check: (spec: MessageTypes[N], report: Report, namespace: string) => MessageTypes[N] | undefined,
): Parsed<ConfigObject<K, MessageTypes[N]>> {
  const { meta, report } = readMeta(kind, raw);
  if (!meta.name) return { ok: false, problems: report.problems };
  const read = fromJson(message, raw['spec'] ?? {});
  for (const { path, message } of read.problems) report.error(path ? `spec.${path}` : 'spec', message);
  const spec = check(read.value, report, meta.namespace);
  return spec
    ? { ok: true, value: { kind, meta, spec }, problems: report.problems }
    : { ok: false, problems: report.problems };
}

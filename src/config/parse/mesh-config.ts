import { parse } from 'yaml';
import type { MeshConfigObject } from '../../model/config.ts';
import { fromJson } from '../../proto/json.ts';
import { readMeta } from '../meta.ts';
import type { Parsed } from '../problem.ts';
import type { RawObject } from '../raw.ts';
import { fields, isFields, text } from '../read.ts';

/** Reads the mesh's settings from `spec`, or from the YAML text in `data.mesh`. Unknown fields are warnings, as they are for istiod. */
export function parseMeshConfig(raw: RawObject): Parsed<MeshConfigObject> {
  const { meta, report } = readMeta('MeshConfig', raw, 'cluster');
  if (!meta.name) return { ok: false, problems: report.problems };
  let config: unknown = raw['spec'];
  let at = '';
  if (config === undefined) {
    at = 'data.mesh';
    try {
      config = parse(text(fields(raw, 'data', '', report), 'mesh', 'data', report));
    } catch (error) {
      report.error(at, error instanceof Error ? error.message : String(error));
      return { ok: false, problems: report.problems };
    }
  }
  const { value, problems } = fromJson('istio.mesh.v1alpha1.MeshConfig', config ?? {});
  for (const { path, message } of problems) report.warning(at ? (path ? `${at}.${path}` : at) : path, message);
  return { ok: true, value: { kind: 'MeshConfig', meta, spec: value }, problems: report.problems };
}

/** The MeshConfig in a ConfigMap `istio`, as Istio's own installation has it; undefined where there is none. */
export function meshConfigOf(configMap: RawObject): RawObject | undefined {
  if (configMap.apiVersion !== 'v1' || configMap.kind !== 'ConfigMap' || configMap.metadata.name !== 'istio') return;
  const { data } = configMap;
  return isFields(data) && typeof data['mesh'] === 'string'
    ? { apiVersion: '', kind: 'MeshConfig', metadata: { ...configMap.metadata, namespace: undefined }, data }
    : undefined;
}

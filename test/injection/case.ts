import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseMeshConfig } from '../../src/config/parse/mesh-config.ts';
import { type Injection, injectPod } from '../../src/injection/inject.ts';
import { podIn } from '../../src/injection/pod-in-object.ts';
import { type InjectionSettings, readSettings } from '../../src/injection/settings.ts';
import type { Sidecar } from '../../src/injection/templates/templates.ts';
import { meshSettings } from '../../src/istio/settings.ts';
import type { JsonObject } from '../../src/unknown.ts';
import { parseYaml, partsOf } from '../../src/yaml/documents.ts';

/** A folder of `cases/`: pods, and the settings that they are injected by. */
export interface Case {
  readonly name: string;
  readonly folder: string;
  /** The file of the objects. */
  readonly input: string;
  /** Values of Istio's chart. */
  readonly set: JsonObject;
  /** Fields of MeshConfig. */
  readonly mesh: JsonObject;
  readonly native: boolean;
  readonly revision: string;
}

export const isFields = (value: unknown): value is { readonly [field: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const root = join(import.meta.dirname, 'cases');

export const cases: readonly Case[] = globSync(`${root}/*/input.yaml`)
  .sort()
  .map(input => {
    const folder = dirname(input);
    const options = existsSync(join(folder, 'case.yaml'))
      ? parseYaml(readFileSync(join(folder, 'case.yaml'), 'utf8'))
      : {};
    const { set = {}, mesh = {}, native = false, revision = '' } = options as Partial<Case>;
    return { name: basename(folder), folder, input, set, mesh, native, revision };
  });

/** The objects in a text, those of lists too. */
export const objectsIn = (text: string): readonly JsonObject[] =>
  [...partsOf(text)].flatMap(part => {
    const object = parseYaml(part.text);
    if (!isFields(object)) return [];
    return object['kind'] === 'List' ? (object['items'] as readonly JsonObject[]) : [object as JsonObject];
  });

/** `Deployment web`; what a controller makes has no name yet. */
export function nameIn(object: JsonObject): string {
  const { name, generateName } = object['metadata'] as { name?: string; generateName?: string };
  return `${object['kind']} ${name ?? generateName}`;
}

/** A mesh's settings from its MeshConfig, as the control plane reads them. */
export const meshOf = (text: string) => {
  const parsed = parseMeshConfig({
    apiVersion: '',
    kind: 'MeshConfig',
    metadata: { name: 'istio' },
    data: { mesh: text },
  });
  if (!parsed.ok) throw new Error(parsed.problems.map(p => `${p.path}: ${p.message}`).join('; '));
  const options = { domain: 'cluster.local', rootNamespace: 'istio-system', clusterId: 'Kubernetes' };
  return meshSettings(parsed.value, options, '').config;
};

/** The settings that these texts come to. */
export function settingsOf(
  texts: { readonly config?: string; readonly values: string; readonly mesh: string; readonly sidecar?: Sidecar },
  revision = '',
): InjectionSettings {
  const { settings, problems } = readSettings({
    config: texts.config,
    sidecar: texts.sidecar,
    values: texts.values,
    mesh: meshOf(texts.mesh),
    proxyConfigs: [],
    revision,
    compliancePolicy: '',
  });
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.length) throw new Error(errors.map(p => `${p.object} ${p.path}: ${p.message}`).join('\n'));
  return settings;
}

/** What becomes of the pod in an object; undefined where there is none. */
export function injectIn(object: JsonObject, settings: InjectionSettings, native: boolean): Injection | undefined {
  const found = podIn(object);
  return found && injectPod(found.pod, settings, { namespace: found.namespace, workload: found.workload, native });
}

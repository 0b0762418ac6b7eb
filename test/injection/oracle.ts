import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { podIn } from '../../src/injection/pod-in-object.ts';
import { parseYaml, partsOf } from '../../src/yaml/documents.ts';
import { type Case, isFields, nameIn, objectsIn } from './case.ts';
import { normal } from './normal.ts';

const cache = process.env['LAB_CACHE'] ?? process.env['PILOTLIGHT_LAB_CACHE'] ?? join(homedir(), '.cache/mesh-lab');

/** Istio's own command line; test/lab/build.sh builds it. */
export const istioctl = join(cache, 'bin/istioctl');

export const haveIstioctl = existsSync(istioctl);

/** What the chart makes of a case's values: the texts of the ConfigMaps. */
export interface ChartTexts {
  readonly config: string;
  readonly values: string;
  readonly mesh: string;
}

const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}): string =>
  execFileSync(istioctl, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** Istio's ConfigMaps for a case, from the chart that is in istioctl. */
export function chartTexts({ set, mesh }: Pick<Case, 'set' | 'mesh'>, folder: string): ChartTexts {
  const file = join(folder, 'operator.yaml');
  const spec = { profile: 'empty', components: { pilot: { enabled: true } }, values: set, meshConfig: mesh };
  writeFileSync(file, JSON.stringify({ apiVersion: 'install.istio.io/v1alpha1', kind: 'IstioOperator', spec }));
  const found: { [name: string]: string } = {};
  for (const { text } of partsOf(run(['manifest', 'generate', '-f', file]))) {
    const object = parseYaml(text);
    if (!isFields(object) || object['kind'] !== 'ConfigMap' || !isFields(object['data'])) continue;
    const { name } = object['metadata'] as { name: string };
    for (const [key, value] of Object.entries(object['data']))
      found[`${name.replace(/-canary$/, '')}.${key}`] = String(value);
  }
  return {
    config: found['istio-sidecar-injector.config'] ?? '',
    values: found['istio-sidecar-injector.values'] ?? '',
    mesh: found['istio.mesh'] ?? '',
  };
}

/** What `istioctl kube-inject` makes of a case, and the ConfigMaps by which. */
export function askIstioctl(of: Case): { readonly injected: string; readonly texts: ChartTexts } {
  const folder = mkdtempSync(join(tmpdir(), 'injection-'));
  try {
    const texts = chartTexts(of, folder);
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, name), text);
    const files = { injectConfigFile: 'config', valuesFile: 'values', meshConfigFile: 'mesh' };
    const injected = run(
      [
        'kube-inject',
        ...['--revision', of.revision || 'default', '-f', of.input],
        ...Object.entries(files).flatMap(([option, name]) => [`--${option}`, join(folder, name)]),
      ],
      { ENABLE_NATIVE_SIDECARS: String(of.native) },
    );
    return { injected, texts };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One pod of a case as istioctl injects it. */
export interface Answer {
  readonly object: string;
  readonly pod: unknown;
}

/** What istioctl makes of a case's pods, in the form of {@link normal}; first the texts by which. */
export function answersOf(of: Case): readonly [Omit<ChartTexts, 'config'>, ...(readonly Answer[])] {
  const { injected, texts } = askIstioctl(of);
  const pods = objectsIn(injected).flatMap((object): Answer[] => {
    const found = podIn(object);
    return found
      ? [{ object: nameIn(object), pod: normal({ metadata: found.pod.metadata, spec: found.pod.spec }) }]
      : [];
  });
  return [{ values: JSON.stringify(JSON.parse(texts.values)), mesh: texts.mesh }, ...pods];
}

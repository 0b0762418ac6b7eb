import { readFile } from 'node:fs/promises';
import { type Arguments, type Io, UsageError } from '../command.ts';
import { parseMeshConfig } from '../config/parse/mesh-config.ts';
import { type Problem, problemLine } from '../config/problem.ts';
import { Report } from '../config/report.ts';
import { injectPod } from '../injection/inject.ts';
import { nativeSidecarsTold, runNativeSidecars } from '../injection/native.ts';
import { withoutNulls } from '../injection/pod.ts';
import { type InjectionSettings, readSettings, type SettingsText } from '../injection/settings.ts';
import { checkShape } from '../injection/shape.ts';
import { statusOf } from '../injection/status.ts';
import { type Sidecar, sidecars } from '../injection/templates/templates.ts';
import { uninject as uninjectPod } from '../injection/uninject.ts';
import type { Values } from '../injection/values.ts';
import { meshSettings } from '../istio/settings.ts';
import { objectKey } from '../object-key.ts';
import type { MeshConfig } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { oneOf, revisionName } from '../settings/option-values.ts';
import { readMeshOptions } from '../settings/settings.ts';
import { type ClusterSettings, clusterSettings, OFFLINE } from './injection-settings.ts';
import { joined, mapPods, readInput } from './manifests.ts';
import { orOsError } from './os-error.ts';

/** Texts of the settings, and whether the nodes run native sidecars. */
async function textsOf(args: Arguments): Promise<ClusterSettings> {
  const { options } = args;
  const files = ['mesh-config', 'values', 'injector-config'] as const;
  if (!files.some(name => options[name] !== undefined)) {
    const found = await clusterSettings(args);
    if (found.mesh === undefined && found.values === undefined && found.config === undefined)
      throw new UsageError(
        `${options['revision'] ? `--revision: '${options['revision']}': ` : ''}the cluster has no settings of that control plane, the ConfigMaps istio and istio-sidecar-injector (kubectl get configmap -A); ${OFFLINE}`,
      );
    return found;
  }
  const [mesh, values, config] = await Promise.all(
    files.map(async name => {
      const file = options[name];
      if (file === undefined) return undefined;
      return orOsError(`--${name}: ${file}`, readFile(file, 'utf8'));
    }),
  );
  return { mesh, values, config, kubelets: [] };
}

/** The mesh's settings from their text, what is wrong with parts of it told. Throws a UsageError where it is none. */
export function meshOf(
  text: string | undefined,
  args: Arguments,
  tell: (problems: readonly Problem[]) => void,
): MeshConfig {
  const options = readMeshOptions(args);
  const raw = { apiVersion: '', kind: 'MeshConfig', metadata: { name: 'istio' }, data: { mesh: text ?? '' } };
  const parsed = parseMeshConfig(raw);
  if (!parsed.ok) {
    const [{ path = '', message = 'it cannot be read' } = {}] = parsed.problems;
    const field = path.replace(/^data\.mesh\.?/, '');
    throw new UsageError(`the mesh's settings: ${field && `${field}: `}${message}`);
  }
  tell(parsed.problems);
  return meshSettings(parsed.value, options, '').config;
}

function nativeOf({ options }: Arguments, values: Values, kubelets: readonly string[]): boolean {
  const told = options['native-sidecars'];
  if (told === undefined) return nativeSidecarsTold(values) ?? runNativeSidecars(kubelets);
  return oneOf('native-sidecars', told, ['true', 'false']) === 'true';
}

/** Who asks by this command wants injection; the cluster's policy is for those who do not ask. */
const asked = (settings: InjectionSettings): InjectionSettings => ({
  ...settings,
  policy: 'enabled',
  neverInjectSelector: [],
  alwaysInjectSelector: [],
});

/** `pilotlight inject`. Resolves to the exit code; rejects with a UsageError. */
export async function inject(args: Arguments, io: Io): Promise<number> {
  const files = filesOf(args);
  const { template } = args.options;
  const sidecar =
    template === undefined ? undefined : oneOf('template', template, Object.keys(sidecars) as readonly Sidecar[]);
  const { revision: told } = args.options;
  const revision = told === undefined ? '' : revisionName(told);
  const texts = await Promise.all(files.map(file => readInput('--filename', file)));
  const { mesh, values, config, kubelets } = await textsOf(args);
  const tell = (problems: readonly Problem[]) => {
    for (const problem of problems) io.err(`${problem.severity}: ${problemLine(problem)}\n`);
  };
  const source: SettingsText = {
    config,
    values,
    mesh: meshOf(mesh, args, tell),
    proxyConfigs: [],
    revision,
    compliancePolicy: '',
    sidecar,
  };
  const { settings, problems } = readSettings(source);
  tell(problems);
  const native = nativeOf(args, settings.values, kubelets);
  let refused = 0;
  const injected = texts.map((text, i) => {
    let seen = 0;
    const file = files[i] ?? '';
    const result = mapPods(text, file, ({ object, pod, namespace, workload }) => {
      seen++;
      if (workload?.kind === '') {
        io.err(`note: ${object} is left as it is: it has a pod and no kind, and kubectl takes no such object\n`);
        return undefined;
      }
      const injection = injectPod(pod, asked(settings), { namespace, workload, native, byHand: true });
      if (injection.kind === 'skip') io.err(`note: ${object} is left as it is: ${injection.reason}\n`);
      else
        tell(
          injection.problems.map(problem => ({ ...problem, object: object.replace(' ', '/') as Problem['object'] })),
        );
      if (injection.kind === 'refuse') refused++;
      return injection.kind === 'inject' ? injection.pod : undefined;
    });
    if (!seen) io.err(`note: there is no pod in ${file === '-' ? 'standard input' : file}, and no workload\n`);
    return result;
  });
  if (refused) return 2;
  io.out(joined(injected));
  return 0;
}

/** `pilotlight uninject`. Resolves to the exit code; rejects with a UsageError. */
export async function uninject(args: Arguments, io: Io): Promise<number> {
  const files = filesOf(args);
  const texts = await Promise.all(files.map(file => readInput('--filename', file)));
  const results = texts.map((text, i) =>
    mapPods(text, files[i] ?? '', ({ object, pod, namespace, workload }) => {
      const report = new Report(objectKey('Pod', namespace, object));
      checkShape(pod, report);
      const [fault] = report.problems;
      if (fault) throw new UsageError([object, fault.path, fault.message].filter(Boolean).join(': '));
      if (statusOf(pod)) return uninjectPod(withoutNulls(pod), workload?.name);
      io.err(`note: ${object} is left as it is: nothing was injected into it\n`);
      return undefined;
    }),
  );
  io.out(joined(results));
  return 0;
}

/** As kubectl's: there several times, or with commas between them. */
function filesOf({ options }: Arguments): readonly string[] {
  const files = options['filename']?.split(',').filter(Boolean) ?? [];
  if (files.length === 0) throw new UsageError('-f FILE is needed; - is standard input');
  return [...new Set(files)];
}

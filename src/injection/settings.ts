import type { Problem } from '../config/problem.ts';
import { entry, Report } from '../config/report.ts';
import { checkLabelSelector } from '../config/selector.ts';
import type { ProxyConfig } from '../istio/config.ts';
import { inRevision } from '../istio/revision.ts';
import { objectKey } from '../object-key.ts';
import type { LabelSelector, MeshConfig } from '../proto/generated/istio/mesh/v1alpha1.ts';
import { fromJson } from '../proto/json.ts';
import { fieldsOf, isList, isObject, type JsonObject, listOf, messageOf, own } from '../unknown.ts';
import { parseYaml } from '../yaml/documents.ts';
import type { StringMap } from './pod.ts';
import type { Policy } from './selection.ts';
import type { Template } from './template.ts';
import { warnOfAgentOnlyValues } from './templates/agent-only.ts';
import { builtInTemplates, defaultSidecar, type Sidecar, sidecars } from './templates/templates.ts';
import { readTemplate } from './user-template.ts';
import { readValues, type Values } from './values.ts';

/** All that injection is told; made once for each change of what it is told. */
export interface InjectionSettings extends Policy {
  readonly defaultTemplates: readonly string[];
  readonly templates: ReadonlyMap<string, Template>;
  /** Templates that are there and cannot be used, by name, with what is wrong. */
  readonly unusable: ReadonlyMap<string, string>;
  /** Names that stand for templates: `sidecar` for `envoy`. */
  readonly aliases: { readonly [name: string]: readonly string[] };
  readonly injectedAnnotations: StringMap;
  readonly values: Values;
  readonly mesh: MeshConfig;
  readonly proxyConfigs: readonly ProxyConfig[];
  /** The revision's name; empty for the default one. */
  readonly revision: string;
  readonly compliancePolicy: string;
}

/** What the settings are read from. */
export interface SettingsText {
  /** Keys `config` (YAML) and `values` (JSON or YAML) of the ConfigMap `istio-sidecar-injector[-REV]`; none where there is no such. */
  readonly config?: string | undefined;
  readonly values?: string | undefined;
  readonly mesh: MeshConfig;
  readonly proxyConfigs: readonly ProxyConfig[];
  readonly revision: string;
  readonly compliancePolicy: string;
  /** The image of Pilotlight where `values` names none. */
  readonly image?: string | undefined;
  /** Which sidecar `sidecar` and `gateway` stand for; as the aliases of `config` say, or Envoy, where this is not told. */
  readonly sidecar?: Sidecar | undefined;
}

/** The end of a problem's message that says what is in force in place of what it is about. */
export const inForce = /; [^;]* (?:is|are) in force$/;

/** The settings as far as they can be read, and what is wrong with the rest. */
export function readSettings(text: SettingsText): {
  readonly settings: InjectionSettings;
  readonly problems: readonly Problem[];
} {
  const { mesh, proxyConfigs, revision, compliancePolicy } = text;
  const report = new Report(
    objectKey('ConfigMap', mesh.rootNamespace ?? '', inRevision('istio-sidecar-injector', revision)),
  );
  const config = objectIn(text.config, 'data.config', report);
  const of = (name: string): Field => ({ value: config[name], path: `data.config.${name}`, report });
  const { templates, unusable } = templatesIn(of('templates'));
  const settings: InjectionSettings = {
    policy: policyIn(of('policy')),
    neverInjectSelector: selectorsIn(of('neverInjectSelector')),
    alwaysInjectSelector: selectorsIn(of('alwaysInjectSelector')),
    templates,
    unusable,
    ...chosen(of, name => templates.has(name) || unusable.has(name), text.sidecar),
    injectedAnnotations: textsIn(of('injectedAnnotations')),
    values: readValues(objectIn(text.values, 'data.values', report), 'data.values', report, text.image),
    mesh,
    proxyConfigs,
    revision,
    compliancePolicy,
  };
  if (settings.aliases['sidecar']?.includes('envoy')) warnOfAgentOnlyValues(settings.values, 'data.values', report);
  return { settings, problems: report.problems };
}

/** What stands in a field, and whom to tell what is wrong with it. */
interface Field {
  readonly value: unknown;
  readonly path: string;
  readonly report: Report;
}

type Names = InjectionSettings['aliases'];

/** Which templates are for pods that name none, and which ones names stand for. What they name there has to be. */
function chosen(
  of: (name: string) => Field,
  isTemplate: (name: string) => boolean,
  sidecar: Sidecar | undefined,
): Pick<InjectionSettings, 'defaultTemplates' | 'aliases'> {
  const aliasesTold = fieldsIn(of('aliases'));
  const told: Names = Object.fromEntries(aliasesTold.map(field => [field.name, namesIn(field)]));
  const builtIn: Names = sidecars[sidecar ?? defaultSidecar];
  const named: Names = { ...without(sidecars[defaultSidecar], isTemplate), ...told, ...(sidecar && builtIn) };
  // As with istiod names stand for templates, not for other names; but `sidecar` and `gateway` are names here, and templates there.
  const templatesOf = (name: string, inner: string): readonly string[] =>
    isTemplate(inner) ? [inner] : (own(inner === name ? builtIn : named, inner) ?? [inner]);
  const check = (names: readonly string[], { path, report }: Field): void => {
    for (const [i, name] of names.entries())
      if (!isTemplate(name) && !Object.hasOwn(named, name))
        report.error(`${path}[${i}]`, `there is no template '${name}'`);
  };
  const inDefault = namesIn(of('defaultTemplates'));
  const defaultTemplates = inDefault.length ? inDefault : ['sidecar'];
  check(defaultTemplates, of('defaultTemplates'));
  for (const field of aliasesTold) check(own(told, field.name) ?? [], field);
  const aliases = Object.entries(named).map(
    ([name, list]) => [name, list.flatMap(inner => templatesOf(name, inner))] as const,
  );
  return { defaultTemplates, aliases: Object.fromEntries(aliases) };
}

function objectIn(text: string | undefined, path: string, report: Report): JsonObject {
  if (text === undefined) return {};
  try {
    const value = parseYaml(text) ?? {};
    if (isObject(value)) return value;
    report.error(path, 'expected an object; the defaults are in force');
  } catch (error) {
    report.error(path, `${messageOf(error)}; the defaults are in force`);
  }
  return {};
}

/** The policy; one that cannot be read is `disabled`, as with istiod. */
function policyIn({ value, path, report }: Field): Policy['policy'] {
  const policy = value ?? 'enabled';
  if (policy === 'enabled' || policy === 'disabled') return policy;
  report.error(path, `${JSON.stringify(value)}; expected enabled or disabled; disabled is in force`);
  return 'disabled';
}

function listIn({ value, path, report }: Field): readonly unknown[] {
  if (isList(value ?? [])) return listOf(value);
  report.error(path, 'expected a list');
  return [];
}

function selectorsIn(field: Field): readonly LabelSelector[] {
  const { path, report } = field;
  return listIn(field).flatMap((item, i) => {
    const at = `${path}[${i}]`;
    const { value: selector, problems } = fromJson('istio.mesh.v1alpha1.LabelSelector', item);
    for (const problem of problems) report.error(problem.path ? `${at}.${problem.path}` : at, problem.message);
    checkLabelSelector(selector, at, report);
    return report.failed(at) ? [] : [selector];
  });
}

const namesIn = (field: Field): readonly string[] =>
  listIn(field).filter((name, i): name is string => {
    if (typeof name === 'string') return true;
    field.report.error(`${field.path}[${i}]`, 'expected the name of a template');
    return false;
  });

function fieldsIn({ value, path, report }: Field): readonly (Field & { readonly name: string })[] {
  if (!isObject(value ?? {})) report.error(path, 'expected an object');
  return Object.entries(fieldsOf(value)).map(([name, inner]) => ({
    name,
    value: inner,
    path: entry(path, name),
    report,
  }));
}

const textsIn = (field: Field): StringMap =>
  Object.fromEntries(
    fieldsIn(field).flatMap(({ name, value, path, report }): [string, string][] => {
      if (typeof value === 'string') return [[name, value]];
      report.error(path, 'expected a text');
      return [];
    }),
  );

/** The names but those that the user gave to templates. */
const without = (aliases: Names, isTemplate: (name: string) => boolean): Names =>
  Object.fromEntries(Object.entries(aliases).filter(([name]) => !isTemplate(name)));

/** The user's templates beside the built-in ones. Go templates of Istio's own chart are what the built-in ones stand for. */
function templatesIn(field: Field): {
  readonly templates: ReadonlyMap<string, Template>;
  readonly unusable: ReadonlyMap<string, string>;
} {
  const templates = new Map(builtInTemplates);
  const unusable = new Map<string, string>();
  for (const { name, value, path: at, report } of fieldsIn(field)) {
    const read = readTemplate(name, value, at, report);
    if (read.kind === 'template') templates.set(name, read.template);
    else if (Object.hasOwn(sidecars[defaultSidecar], name))
      report.warning(at, `${read.fault}; the built-in one is in force`);
    else {
      unusable.set(name, read.fault);
      if (!charts.has(name)) report.error(at, read.fault);
    }
  }
  return { templates, unusable };
}

/** Templates of Istio's chart that nobody misses until a pod asks for one. */
const charts: ReadonlySet<string> = new Set([
  'grpc-simple',
  'grpc-agent',
  'waypoint',
  'kube-gateway',
  'agentgateway',
  'agentgateway-waypoint',
]);

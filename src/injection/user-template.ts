import { entry, type Report } from '../config/report.ts';
import { isList, isObject, type Json, type JsonObject, messageOf, own } from '../unknown.ts';
import { parseYaml } from '../yaml/documents.ts';
import { type MergeSchema, podSchema } from './strategic-merge.ts';
import type { Template } from './template.ts';

/** A template of the user's, or why it cannot be used. */
export type ReadTemplate =
  | { readonly kind: 'template'; readonly template: Template }
  | { readonly kind: 'unusable'; readonly fault: string };

/** Reads a template: a strategic merge patch of a pod in YAML, the same for every pod. */
export function readTemplate(name: string, text: unknown, at: string, report: Report): ReadTemplate {
  const unusable = (fault: string): ReadTemplate => ({ kind: 'unusable', fault });
  if (typeof text !== 'string') return unusable('expected a text with the YAML of a patch');
  if (text.includes('{{'))
    return unusable(
      "it is a Go template ({{ … }}), and those are not run: write it as a patch of a pod in plain YAML, such as 'spec: {containers: [{name: istio-proxy, env: [{name: A, value: b}]}]}'; what differs from pod to pod is read with valueFrom and $(VARIABLE)",
    );
  let patch: unknown;
  try {
    patch = parseYaml(text) ?? {};
  } catch (error) {
    return unusable(messageOf(error));
  }
  if (!isObject(patch)) return unusable('expected the YAML of a patch: an object with metadata and spec');
  const faults = [...patchFaults(patch, podSchema, '')];
  const [first] = faults;
  if (first) return unusable(`${first.path}: ${first.message}`);
  for (const field of Object.keys(patch).filter(f => !['apiVersion', 'kind', 'metadata', 'spec', '$patch'].includes(f)))
    report.warning(entry(at, field), 'a pod has no such field; expected metadata and spec');
  const of: JsonObject = patch;
  return { kind: 'template', template: { name, patch: () => of } };
}

interface PatchFault {
  readonly path: string;
  readonly message: string;
}

/** What keeps a patch from being merged as it says (k8s.io/apimachinery strategicpatch gives errors for it). */
function* patchFaults(patch: JsonObject, schema: MergeSchema, path: string): Generator<PatchFault> {
  const under = (field: string) => (path ? entry(path, field) : field);
  const directive = patch['$patch'];
  if (directive !== undefined && !['replace', 'delete'].includes(String(directive)))
    yield { path: under('$patch'), message: `${JSON.stringify(directive)}; expected replace or delete` };
  const retained = patch['$retainKeys'];
  if (retained !== undefined && !isList(retained))
    yield { path: under('$retainKeys'), message: 'expected a list of fields' };
  for (const [field, value] of Object.entries(patch)) {
    if (isList(retained) && !field.startsWith('$') && value !== null && !retained.includes(field))
      yield { path: under(field), message: 'it is not among the $retainKeys beside it' };
    const [prefix, name = ''] = field.startsWith('$') && field.includes('/') ? field.split('/', 2) : ['', field];
    const isListed = prefix !== '' || (value !== null && own(schema.lists, name) !== undefined);
    if (isListed && !isList(value)) yield { path: under(field), message: 'expected a list' };
    else if (prefix && prefix !== '$setElementOrder' && prefix !== '$deleteFromPrimitiveList')
      yield { path: under(field), message: `${prefix} is no directive` };
    else if (isObject(value)) yield* patchFaults(value, own(schema.objects, name) ?? {}, under(field));
    else if (value !== null && own(schema.objects, name)) yield { path: under(field), message: 'expected an object' };
    else if (isList(value) && !prefix) yield* listFaults(value, name, schema, under(field));
  }
}

function* listFaults(list: readonly Json[], field: string, schema: MergeSchema, path: string): Generator<PatchFault> {
  const rules = own(schema.lists, field);
  for (const [i, item] of list.entries()) {
    const at = `${path}[${i}]`;
    if (rules && !isObject(item)) yield { path: at, message: 'expected an object' };
    if (!isObject(item)) continue;
    const replaces = item['$patch'] === 'replace' && Object.keys(item).length === 1;
    if (rules && !replaces && item[rules.key] === undefined)
      yield { path: `${at}.${rules.key}`, message: `a patch tells the items of ${field} apart by it: it is needed` };
    yield* patchFaults(item, rules?.of ?? {}, at);
  }
}

/** The part of kustomize that the folders of deploy/ use, so that nothing but them says what an installation is. */

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inOneGo } from '../slices.ts';
import { fieldsOf, isList, isObject, type Json, type JsonObject, listOf, textOf } from '../unknown.ts';
import { partsOf, readPart } from '../yaml/documents.ts';

const FILE = 'kustomization.yaml';

/** Kinds without a namespace, of those that an installation has. */
const clusterScoped: ReadonlySet<unknown> = new Set([
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'MutatingWebhookConfiguration',
  'Namespace',
  'PriorityClass',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'ValidatingWebhookConfiguration',
]);

/** The objects of a file. Throws where it is no YAML: it is the program's own. */
async function objectsIn(path: string): Promise<readonly JsonObject[]> {
  const found: JsonObject[] = [];
  for (const part of partsOf(await readFile(path, 'utf8'))) {
    const { documents, error } = inOneGo(readPart(part.text));
    if (error) throw new Error(`${path}: line ${part.line + error.line + 1}: ${error.message}`);
    found.push(...documents.flatMap(({ value }) => (isObject(value) ? [value] : [])));
  }
  return found;
}

type Change = (object: JsonObject, path: readonly string[]) => JsonObject;

/** The object with every object in it, itself last, as `change` makes it. */
export function mapObject(object: JsonObject, change: Change, path: readonly string[] = []): JsonObject {
  const walk = (value: Json, at: readonly string[]): Json => {
    if (isList(value)) return value.map(item => walk(item, at));
    return isObject(value) ? mapObject(value, change, at) : value;
  };
  const fields = Object.entries(object).map(([field, value]) => [field, walk(value ?? null, [...path, field])]);
  return change(Object.fromEntries(fields), path);
}

type Transformer = (object: JsonObject) => JsonObject;

const inNamespace =
  (namespace: string): Transformer =>
  object =>
    clusterScoped.has(object['kind'])
      ? object
      : { ...object, metadata: { ...fieldsOf(object['metadata']), namespace } };

/** Labels on an object and, with `includeTemplates`, on the pods that it makes; never in selectors. */
const withLabels =
  (pairs: JsonObject, templates: boolean): Transformer =>
  object => {
    const labelled = (meta: Json | undefined): JsonObject => ({
      ...fieldsOf(meta),
      labels: { ...fieldsOf(fieldsOf(meta)['labels']), ...pairs },
    });
    const spec = fieldsOf(object['spec']);
    const template = fieldsOf(spec['template']);
    const hasTemplate = templates && 'template' in spec;
    return {
      ...object,
      metadata: labelled(object['metadata']),
      ...(hasTemplate && { spec: { ...spec, template: { ...template, metadata: labelled(template['metadata']) } } }),
    };
  };

/** Containers of an image by another name or tag. */
const withImage =
  (image: JsonObject): Transformer =>
  object =>
    mapObject(object, (inner, path) => {
      if (!/^(initC|c)ontainers$/.test(path.at(-1) ?? '') || inner['image'] !== image['name']) return inner;
      const name = textOf(image['newName']) || textOf(image['name']);
      return { ...inner, image: image['newTag'] ? `${name}:${image['newTag']}` : name };
    });

/** The objects of a folder with a kustomization.yaml, in the order in which it names them. Throws on what it uses that is not known here. */
export async function kustomize(folder: string): Promise<readonly JsonObject[]> {
  const [kustomization = {}] = await objectsIn(join(folder, FILE));
  const { apiVersion: _, kind: __, resources, namespace, labels, images, ...others } = kustomization;
  const [unknown] = Object.keys(others);
  if (unknown) throw new Error(`${join(folder, FILE)}: ${unknown} is not known to pilotlight install`);
  const objects: JsonObject[] = [];
  for (const resource of listOf(resources)) {
    const path = join(folder, textOf(resource));
    objects.push(...(path.endsWith('.yaml') ? await objectsIn(path) : await kustomize(path)));
  }
  const transformers: readonly Transformer[] = [
    ...(namespace ? [inNamespace(textOf(namespace))] : []),
    ...listOf(labels).map(label =>
      withLabels(fieldsOf(fieldsOf(label)['pairs']), !!fieldsOf(label)['includeTemplates']),
    ),
    ...listOf(images).map(image => withImage(fieldsOf(image))),
  ];
  return objects.map(object => transformers.reduce((made, transform) => transform(made), object));
}

/** deploy/, in a checkout and in the image. */
export const DEPLOY = join(dirname(import.meta.dirname), '../deploy');

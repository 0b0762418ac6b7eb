import { type Kind, kindOf, kinds } from '../config/kinds.ts';
import { meshConfigOf } from '../config/parse/mesh-config.ts';
import type { Problem } from '../config/problem.ts';
import type { RawObject } from '../config/raw.ts';
import { isFields } from '../config/read.ts';
import { memo } from '../memo.ts';
import { type ObjectKey, objectKey } from '../model/object.ts';
import { objectsOf, YamlReader } from './yaml.ts';

/** An object of a file, with the kind that it is read as. */
export interface ManifestObject {
  readonly key: ObjectKey;
  readonly kind: Kind;
  readonly object: RawObject;
}

/** What a file gives: its objects in order, and what is wrong with the file itself. */
export interface ManifestContents {
  readonly objects: ReadonlyMap<ObjectKey, ManifestObject>;
  readonly problems: readonly Problem[];
}

const nothing: ManifestContents = { objects: new Map(), problems: [] };

/**
 * One YAML file of Kubernetes objects. When a document cannot be read, the objects that the file had and that are now missing stay: the file is
 * being written, or someone made a mistake, and neither may take traffic away.
 */
export class Manifest {
  /** `File/<path>`: names the file in problems. */
  readonly key: ObjectKey;
  readonly #mesh: boolean;
  readonly #yaml = new YamlReader();
  #contents = nothing;
  #text: string | undefined;

  /** `path` is relative to the folder; `meshconfig.yaml` at its top is the mesh's settings and no object. */
  constructor(path: string) {
    this.key = objectKey('File', '', path);
    this.#mesh = /^meshconfig\.ya?ml$/.test(path);
  }

  get contents(): ManifestContents {
    return this.#contents;
  }

  /** Takes the file's new text in. */
  update(text: string): void {
    if (text === this.#text) return;
    this.#text = text;
    const objects = new Map<ObjectKey, ManifestObject>();
    const problems: Problem[] = [];
    const skipped = new Map<string, number>();
    const error = (path: string, message: string) =>
      problems.push({ object: this.key, path, message, severity: 'error' });
    let broken = false;

    for (const { line, read } of this.#yaml.read(text)) {
      if ('message' in read) {
        broken = true;
        error(`line ${line}`, read.message);
        continue;
      }
      for (const found of readValue(read, this.#mesh)) {
        if ('problem' in found) {
          error(`line ${line}`, found.problem);
        } else if ('skipped' in found) {
          skipped.set(found.skipped, (skipped.get(found.skipped) ?? 0) + 1);
        } else if (objects.has(found.key)) {
          error(`line ${line}`, `${found.key} is in this file twice; the first is in force`);
        } else {
          objects.set(found.key, found);
        }
      }
    }

    const before = this.#contents.objects;
    // Writers truncate a file before they fill it again.
    if (text === '' && before.size) {
      broken = true;
      error('', 'the file is empty');
    }
    if (broken) {
      let kept = 0;
      for (const [key, object] of before) if (!objects.has(key) && objects.set(key, object)) kept++;
      if (kept) error('', `${kept} of its objects are not to be read now; their last versions stay in force`);
    }
    for (const [name, count] of skipped) {
      const message = `${count === 1 ? 'an object' : `${count} objects`} of kind ${name} skipped: not a kind that is read`;
      problems.push({ object: this.key, path: '', message, severity: 'warning' });
    }
    this.#contents = { objects, problems };
  }
}

type Found = ManifestObject | { readonly skipped: string } | { readonly problem: string };

/** The objects of a document. Memoised: a document that did not change gives the very same objects. */
const readValue = memo((document: { readonly value: unknown }, mesh: boolean): readonly Found[] =>
  objectsOf(document.value).map(value => {
    const raw = mesh ? meshConfig(value) : rawObject(value);
    if (typeof raw === 'string') return { problem: raw };
    return manifestObject(raw) ?? { skipped: `${raw.kind} (${raw.apiVersion})` };
  }),
);

/** A value as a raw object, or what it lacks to be one. */
function rawObject(value: unknown): RawObject | string {
  if (!isFields(value)) return 'expected an object with apiVersion, kind and metadata';
  const { apiVersion, kind, metadata } = value;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return 'an object needs apiVersion and kind';
  if (!isFields(metadata) || typeof metadata['name'] !== 'string' || metadata['name'] === '') {
    return `a ${kind} needs metadata.name`;
  }
  const { name, namespace, managedFields: _, ...rest } = metadata;
  if (namespace !== undefined && namespace !== null && typeof namespace !== 'string') {
    return `${kind} ${name}: metadata.namespace must be a string`;
  }
  return { ...value, apiVersion, kind, metadata: { ...rest, name, ...(namespace ? { namespace } : {}) } };
}

function meshConfig(value: unknown): RawObject | string {
  if (!isFields(value)) return 'expected the fields of a MeshConfig';
  if (value['kind'] === 'ConfigMap') return rawObject(value);
  return { apiVersion: '', kind: 'MeshConfig', metadata: { name: 'istio' }, spec: value };
}

function manifestObject(raw: RawObject): ManifestObject | undefined {
  const mesh = meshConfigOf(raw) ?? raw;
  const kind = kindOf(mesh);
  if (!kind) return undefined;
  if (!kinds[kind].namespaced) return { kind, key: objectKey(kind, '', mesh.metadata.name), object: mesh };
  const namespace = mesh.metadata.namespace ?? 'default';
  const object = mesh.metadata.namespace ? mesh : { ...mesh, metadata: { ...mesh.metadata, namespace } };
  return { kind, key: objectKey(kind, namespace, mesh.metadata.name), object };
}

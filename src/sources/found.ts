import { bounds } from '../bounds.ts';
import { type Kind, kindOf, kinds } from '../config/kinds.ts';
import { holdsRoots } from '../config/parse/config-map.ts';
import { meshConfigOf } from '../config/parse/mesh-config.ts';
import type { RawObject } from '../config/raw.ts';
import { isFields } from '../config/read.ts';
import { type ObjectKey, objectKey } from '../object-key.ts';
import { afterComments, lineOf, readPart } from '../yaml/documents.ts';
import { isTemplate, type Refusal, refusals } from './admission.ts';
import { unread } from './other-kinds.ts';

/** An object of a file, with the kind that it is read as. */
export interface ManifestObject {
  readonly key: ObjectKey;
  readonly kind: Kind;
  readonly object: RawObject;
}

/** What a part of a file comes to, with lines that count from 0 from its beginning. */
export type Found = { readonly line: number } & (
  | ManifestObject
  /** An object that an API server would not take. */
  | { readonly refused: ObjectKey; readonly refusals: readonly Refusal[] }
  /** Something that is no object, or one that cannot be told which it is. */
  | { readonly mistake: string }
  | { readonly warning: string }
  /** Objects of kinds that are not read, to be counted. */
  | { readonly skipped: string }
);

/** The objects of a part, in order. Yields between slices. `mesh`: the file holds the mesh's settings. */
export function* findIn(text: string, mesh: boolean): Generator<undefined, readonly Found[]> {
  const header = mesh ? undefined : headerOf(text);
  if (header) {
    // What is not read is not parsed: it may be large. Of ConfigMaps those are read that have roots, and one that Istio's installation calls istio.
    const other = header.kind === 'ConfigMap' && !/istio|cacert|ca\.crt/.test(text);
    const found = other
      ? unreadKind(header.apiVersion, header.kind, header.line)
      : notRead(header.apiVersion, header.kind, header.line);
    if (found) return found;
  }
  const { most } = bounds[header ? 'object-characters' : 'document-characters'];
  if (text.length > most) {
    return [
      { line: 0, mistake: `the document has ${text.length} characters, more than the ${most} that are read: split it` },
    ];
  }
  const { documents, duplicates, error } = yield* readPart(text);
  const found: Found[] = [];
  for (const { line, value } of documents) {
    if (value === null) continue;
    for (const [item, at] of itemsOf(value, '')) {
      found.push(...read(item, at, line, mesh));
      yield undefined;
    }
  }
  if (error) {
    const template = isTemplate(text) ? ' (it looks like a template, which is to be rendered first)' : '';
    found.push({ line: error.line, mistake: error.message + template });
  }
  for (const { line, path } of duplicates) found.push({ line, warning: `${path} stands twice; the last counts` });
  return found;
}

/** What a document's first column says that it is; undefined where that needs a closer look. */
function headerOf(text: string): { apiVersion: string; kind: string; line: number } | undefined {
  // Other forms than a block mapping could have anything in the first column.
  const start = afterComments(text);
  if (!/[A-Za-z]/.test(text.charAt(start)) || /^(?:---|\.\.\.)(?=\s|$)/m.test(text)) return undefined;
  const fields = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/^(apiVersion|kind):(.*)$/gm)) {
    const [, word] = /^[ \t]+["']?([A-Za-z][\w./-]*)["']?[ \t]*(?:#.*)?\r?$/.exec(value) ?? [];
    if (!word || fields.has(name)) return undefined;
    fields.set(name, word);
  }
  const [apiVersion, kind] = [fields.get('apiVersion'), fields.get('kind')];
  if (!apiVersion || !kind || kind.endsWith('List')) return undefined;
  return { apiVersion, kind, line: lineOf(text, start) };
}

/** What there is to say of a kind that is not read; undefined for one that is. */
function notRead(apiVersion: string, kind: string, line: number): readonly Found[] | undefined {
  if (kindOf({ apiVersion, kind })) return undefined;
  return unreadKind(apiVersion, kind, line);
}

function unreadKind(apiVersion: string, kind: string, line: number): readonly Found[] {
  const why = unread(apiVersion, kind);
  return 'silent' in why ? [] : [{ line, ...why }];
}

/** The objects in a value, and where in it: itself, or the items of a list, each of which may leave its kind to the list's. */
function* itemsOf(value: unknown, at: string): Generator<readonly [value: unknown, at: string]> {
  const list = isFields(value) && typeof value['kind'] === 'string' && /^(.*)List$/.exec(value['kind']);
  if (!list || !(value['items'] === undefined || value['items'] === null || Array.isArray(value['items']))) {
    yield [value, at];
    return;
  }
  const [, kind] = list;
  const { apiVersion } = value;
  for (const [i, item] of (Array.isArray(value['items']) ? value['items'] : []).entries()) {
    const named = kind && isFields(item) && !item['kind'] ? { apiVersion, ...item, kind } : item;
    yield* itemsOf(named, `${at}items[${i}]: `);
  }
}

function read(value: unknown, at: string, line: number, mesh: boolean): readonly Found[] {
  const mistake = (message: string): readonly Found[] => [{ line, mistake: at + message }];
  if (!isFields(value))
    return mistake(`expected ${mesh ? 'the fields of a MeshConfig' : 'an object with apiVersion, kind and metadata'}`);
  const { apiVersion, kind, metadata } = value;
  if (mesh && kind !== 'ConfigMap') {
    return [
      {
        line,
        ...manifestObject('MeshConfig', {
          apiVersion: '',
          kind: 'MeshConfig',
          metadata: { name: 'istio' },
          spec: value,
        }),
      },
    ];
  }
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || !apiVersion || !kind)
    return mistake('an object needs apiVersion and kind');
  const found = notRead(apiVersion, kind, line);
  if (found) return found.map(one => ('mistake' in one ? { line, mistake: at + one.mistake } : one));

  if (!isFields(metadata) || typeof metadata['name'] !== 'string' || metadata['name'] === '') {
    const template =
      isFields(metadata) && isFields(metadata['name'])
        ? '; {{ }} looks like a template, which is to be rendered first'
        : '';
    return mistake(`a ${kind} needs metadata.name${template}`);
  }
  const { name, namespace, managedFields: _, ...rest } = metadata;
  if (namespace !== undefined && namespace !== null && typeof namespace !== 'string') {
    return mistake(`${kind} ${name}: metadata.namespace must be a string`);
  }
  const raw: RawObject = {
    ...value,
    apiVersion,
    kind,
    metadata: { ...rest, name, ...(namespace ? { namespace } : {}) },
  };
  const settings = meshConfigOf(raw);
  if (settings) return [{ line, ...manifestObject('MeshConfig', settings) }];
  const known = kindOf(raw);
  if (!known || (known === 'ConfigMap' && !holdsRoots(raw))) return unreadKind(apiVersion, kind, line);
  const object = manifestObject(known, raw);
  const wrong = refusals(known, object.object);
  return [wrong.length ? { line, refused: short(object.key), refusals: wrong } : { line, ...object }];
}

/** Names that are refused may be as long as the file. */
const short = (key: ObjectKey): ObjectKey => key.slice(0, 300) as ObjectKey;

function manifestObject(kind: Kind, raw: RawObject): ManifestObject {
  const { name, namespace = 'default' } = raw.metadata;
  const namespaced = kinds[kind].namespaced;
  // The copy is a third of the size: lists have no room to grow, and strings are not cut from the text, which they would keep.
  const object = structuredClone(namespaced ? { ...raw, metadata: { ...raw.metadata, namespace } } : raw);
  return { kind, key: objectKey(kind, namespaced ? namespace : '', name), object };
}

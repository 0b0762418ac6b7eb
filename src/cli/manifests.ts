import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { UsageError } from '../command.ts';
import type { Pod } from '../injection/pod.ts';
import { type PodInObject, podIn } from '../injection/pod-in-object.ts';
import { inOneGo } from '../slices.ts';
import { decode } from '../sources/encoding.ts';
import { fieldsOf, isList, isObject, type JsonObject, textOf } from '../unknown.ts';
import { lineOf, type Part, partsOf, readPart } from '../yaml/documents.ts';
import { editDocument, isJson } from './edit-document.ts';
import { orOsError } from './os-error.ts';

/** A file's text; standard input's for `-`. Throws a UsageError. */
export async function readInput(option: string, file: string): Promise<string> {
  if (/^https?:\/\//.test(file))
    throw new UsageError(`${option}: ${file}: files are read, not addresses; expected - behind: curl -fsSL ${file} |`);
  const read = await orOsError(`${option}: ${file}`, file === '-' ? buffer(process.stdin) : readFile(file));
  const decoded = decode(read);
  if (!('text' in decoded)) throw new UsageError(`${file}: line ${decoded.line}: ${decoded.message}`);
  return read.indexOf('\ufeff') === 0 ? `\ufeff${decoded.text}` : decoded.text;
}

/** Several files as one. */
export const joined = (texts: readonly string[]): string =>
  texts.reduce((all, text) => {
    const end = all === '' || all.endsWith('\n') ? '' : '\n';
    // A byte order mark is for the beginning of a file.
    const next = all === '' ? text : text.replace(/^\ufeff/, '');
    return all + end + (all === '' || /^---\s/.test(next) ? '' : '---\n') + next;
  }, '');

/** A pod that is in a text, with the name of its object for people: `Deployment web`. */
export interface PodInText extends PodInObject {
  readonly object: string;
}

const nameOf = (object: JsonObject): string => {
  const meta = fieldsOf(object['metadata']);
  return `${textOf(object['kind']) || 'object'} ${meta['name'] ?? meta['generateName'] ?? '(no name)'}`;
};

/** The object with another pod in the place of the one that it has. */
function withPod(object: JsonObject, path: readonly string[], pod: Pod): JsonObject {
  const [field, ...rest] = path;
  if (field === undefined) return pod;
  return { ...object, [field]: withPod(fieldsOf(object[field]), rest, pod) };
}

/** An item of a list of one kind, which leaves that to the list: `DeploymentList`, as `kubectl get --raw` prints it. */
function itemOf(list: JsonObject, item: JsonObject): JsonObject {
  const kind = textOf(list['kind']).slice(0, -'List'.length);
  return kind && !item['kind'] && !item['apiVersion'] ? { apiVersion: list['apiVersion'] ?? '', ...item, kind } : item;
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}]/g;

/** JSON objects one behind the other, as jq writes them and kubectl reads them, each a part; any other part is one. */
function objectsIn(part: Part): readonly Part[] {
  if (!part.text.trimStart().startsWith('{')) return [part];
  const starts: number[] = [];
  let depth = 0;
  for (const { 0: token, index } of part.text.matchAll(tokens)) {
    if (token === '{' && depth++ === 0) starts.push(starts.length === 0 ? 0 : index);
    if (token === '}') depth--;
  }
  if (starts.length < 2) return [part];
  const parts = starts.map((from, i) => ({
    line: part.line + lineOf(part.text, from),
    from: part.from + from,
    text: part.text.slice(from, starts[i + 1]),
  }));
  return parts.every(({ text }) => isJson(text)) ? parts : [part];
}

/**
 * The text with every pod in it as `change` makes it, in workloads of any kind and in lists; undefined leaves a pod alone. Documents without a pod,
 * and what did not change, stay as they are written. Throws a UsageError where the text is no YAML.
 */
export function mapPods(text: string, file: string, change: (pod: PodInText) => Pod | undefined): string {
  const changed = (object: JsonObject, known = object): JsonObject => {
    const { kind, items } = known;
    if (typeof kind === 'string' && kind.endsWith('List') && isList(items))
      return { ...object, items: items.map(item => (isObject(item) ? changed(item, itemOf(known, item)) : item)) };
    const found = podIn(known);
    const own = found?.path.length === 0 ? object : found?.pod;
    const pod = found && own && change({ ...found, pod: own, object: nameOf(known) });
    return pod ? withPod(object, found.path, pod) : object;
  };
  const edited = (part: Part): string => {
    const { documents, error } = inOneGo(readPart(part.text));
    if (error) throw new UsageError(`${file}: line ${part.line + error.line + 1}: ${error.message}`);
    const [first, second] = documents;
    if (!isObject(first?.value)) return part.text;
    const before = first.value;
    const after = changed(before);
    if (second && after !== before)
      throw new UsageError(
        `${file}: line ${part.line + second.line + 1}: a document begins here without a line of ---`,
      );
    return editDocument(part.text, before, after);
  };
  let result = '';
  let at = 0;
  for (const part of [...partsOf(text)].flatMap(objectsIn)) {
    const end = Math.min(text.length, part.from + part.text.length);
    const isCut = end - part.from < part.text.length;
    // The last line of a text may have no end; what is made of it has none either.
    const made = edited(part);
    result += text.slice(at, part.from) + (isCut ? made.replace(/\r?\n$/, '') : made);
    at = end;
  }
  return result + text.slice(at);
}

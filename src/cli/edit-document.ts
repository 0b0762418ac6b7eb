import { isDeepStrictEqual } from 'node:util';
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  stringify,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import type { Json, JsonObject } from '../injection/pod.ts';
import { isList, isObject } from '../injection/strategic-merge.ts';

/** As kubectl reads YAML: `yes` is a boolean and is quoted where a text is meant. */
const kubectls = { version: '1.1', schema: 'yaml-1.1', merge: true } as const;

/** How the text is laid out, as far as that is alike in all of it; long lines stay lines. */
const layoutOf = (text: string) => ({
  lineWidth: 0,
  indent: Math.min(8, Math.max(2, /^( +)[^\s#-]/m.exec(text)?.[1]?.length ?? 2)),
  indentSeq: !/^( *)[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n\1- /m.test(text),
  flowCollectionPadding: /\{ [^}]/.test(text),
});

/** A text of one document for an object that was `before` and is to be `after`: what is the same stays as its author wrote it, comments included. */
export function editDocument(text: string, before: JsonObject, after: JsonObject): string {
  if (isDeepStrictEqual(before, after)) return text;
  if (isJson(text)) return `${JSON.stringify(after, null, /\n\s+"/.test(text) ? 2 : 0)}\n`;
  const document = parseDocument(text, kubectls);
  const layout = layoutOf(text);
  const anew = () => stringify(after, { ...kubectls, ...layout });
  // What an anchor stands for is in several places: only one of them may be meant.
  if (document.errors.length || hasAliases(document) || !isMap(document.contents)) return anew();
  edit(document, document.contents, before, after);
  return document.toString(layout);
}

/** kubectl takes what begins as JSON for JSON alone. */
function isJson(text: string): boolean {
  if (!text.trimStart().startsWith('{')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function hasAliases(document: Document): boolean {
  let found = false;
  visit(document, {
    Alias: () => {
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

const keyOf = ({ key }: Pair): string => String(isScalar(key) ? key.value : key);

/** The node of a value that was another one, or the same; made anew where nothing of it can stay. */
function changed(document: Document, node: unknown, before: Json | undefined, after: Json): Node {
  if (isDeepStrictEqual(before, after) && node !== null) return node as Node;
  if (isMap(node) && isObject(before) && isObject(after)) {
    edit(document, node, before, after);
    return node;
  }
  if (isSeq(node) && isList(before) && isList(after) && isNamed(before) && isNamed(after) && !isAlias(node)) {
    arrange(document, node, before, after);
    return node;
  }
  return document.createNode(after);
}

function edit(document: Document, map: YAMLMap, before: JsonObject, after: JsonObject): void {
  // A field that is null is none already.
  map.items = map.items.filter(pair => after[keyOf(pair)] !== undefined || before[keyOf(pair)] === null);
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined) continue;
    const pair = map.items.find(item => keyOf(item) === key);
    if (pair) pair.value = changed(document, pair.value, before[key], value);
    else map.items.push(document.createPair(key, value));
  }
}

type Named = JsonObject & { readonly name: string };

/** Whether the items of a list can be told apart by their names, as containers, volumes and variables can. */
function isNamed(list: readonly Json[]): list is readonly Named[] {
  const names = list.map(item => (isObject(item) ? item['name'] : undefined));
  return names.every(name => typeof name === 'string') && new Set(names).size === names.length;
}

function arrange(document: Document, seq: YAMLSeq, before: readonly Named[], after: readonly Named[]): void {
  const nodes = new Map(before.map((item, i) => [item.name, { item, node: seq.items[i] }]));
  seq.items = after.map(item => {
    const known = nodes.get(item.name);
    return known ? changed(document, known.node, known.item, item) : document.createNode(item);
  });
}

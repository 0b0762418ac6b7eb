import { isDeepStrictEqual } from 'node:util';
import { parseDocument, stringify } from 'yaml';
import { withoutNulls } from '../injection/pod.ts';
import { inOneGo } from '../slices.ts';
import { type JsonObject, jsonIn } from '../unknown.ts';
import { readPart } from '../yaml/documents.ts';
import { kubectls, type Layout, splice } from './splice.ts';

/** How the text is laid out, as far as that is alike in all of it; what is added is written so. */
function layoutOf(text: string): Layout {
  const spread = /^\s*\{\s*\n/.test(text);
  return {
    indent: Math.min(8, Math.max(2, /^( +)[^\s#-]/m.exec(text)?.[1]?.length ?? 2)),
    indentSeq: !/^( *)[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n\1- /m.test(text),
    json: isJson(text) ? (spread ? 'spread' : 'compact') : undefined,
  };
}

/** A text of one document for an object that was `before` and is to be `after`: what is the same stays as its author wrote it. */
export function editDocument(text: string, before: JsonObject, after: JsonObject): string {
  if (isDeepStrictEqual(before, after)) return text;
  const breaks = isInWindowsLines(text) ? '\r\n' : '\n';
  const lines = breaks === '\n' ? text : text.replaceAll('\r\n', '\n');
  const layout = layoutOf(lines);
  const edited = inPlace(lines, before, after, layout) ?? anew(after, layout);
  return breaks === '\n' ? edited : edited.replaceAll('\n', breaks);
}

/** Whether all lines end so, but for the last, whose end may be missing in the file. */
const isInWindowsLines = (text: string): boolean => /\r\n/.test(text) && !/(?<!\r)\n(?!$)/.test(text);

/** The text with its changes in their places; undefined where that would not come to the same, as with what an anchor stands for in several places. */
function inPlace(text: string, before: JsonObject, after: JsonObject, layout: Layout): string | undefined {
  const document = parseDocument(text, { ...kubectls, merge: true, uniqueKeys: false });
  if (document.errors.length > 0) return undefined;
  const edited = splice(text, document, before, after, layout);
  return edited !== undefined && says(edited, after) ? edited : undefined;
}

/** Whether a text is one document of such an object. */
function says(text: string, object: JsonObject): boolean {
  const { documents, error } = inOneGo(readPart(text));
  const [value, ...others] = documents.map(document => document.value).filter(each => each !== null);
  return !error && others.length === 0 && isDeepStrictEqual(withoutNulls(value as JsonObject), withoutNulls(object));
}

function anew(object: JsonObject, { json, ...layout }: Layout): string {
  if (json !== undefined) return `${JSON.stringify(object, null, json === 'spread' ? 2 : 0)}\n`;
  return stringify(object, { ...kubectls, ...layout, lineWidth: 0 });
}

/** kubectl takes what begins as JSON for JSON alone. */
export const isJson = (text: string): boolean => text.trimStart().startsWith('{') && jsonIn(text) !== undefined;

import { parseDocument } from 'yaml';
import { isFields } from '../config/read.ts';

/** What a document is: a value, or why it has none, with the line in the document. */
type Read = { readonly value: unknown } | { readonly line: number; readonly message: string };

/** One document of a YAML text, with its line in the text. */
export interface YamlDocument {
  readonly line: number;
  readonly read: Read;
}

/**
 * Reads texts with several YAML documents. A document whose text was in the previous text of the same reader gives the same `read`, so that
 * one edited object in a long file costs one object.
 */
export class YamlReader {
  #known: ReadonlyMap<string, Read> = new Map();

  /** The documents of a text in order; empty ones (comments only) are left out. */
  read(text: string): readonly YamlDocument[] {
    const known = new Map<string, Read>();
    const documents: YamlDocument[] = [];
    for (const { line, text: part } of split(text)) {
      const read = known.get(part) ?? this.#known.get(part) ?? readDocument(part);
      known.set(part, read);
      if ('message' in read) documents.push({ line: line + read.line - 1, read });
      else if (read.value !== null && read.value !== undefined) documents.push({ line, read });
    }
    this.#known = known;
    return documents;
  }
}

/** `---` in the first column ends a document wherever it stands (YAML 1.2, 9.1.2); a text with directives is left whole. */
function split(text: string): readonly { readonly line: number; readonly text: string }[] {
  if (/^%/m.test(text)) return [{ line: 1, text }];
  const parts: { line: number; text: string }[] = [];
  let line = 1;
  for (const part of text.split(/^(?=---(?:\s|$))/m)) {
    if (part) parts.push({ line, text: part });
    for (let i = part.indexOf('\n'); i >= 0; i = part.indexOf('\n', i + 1)) line++;
  }
  return parts;
}

function readDocument(text: string): Read {
  try {
    const document = parseDocument(text, { merge: true, prettyErrors: true, logLevel: 'silent' });
    const [error] = document.errors;
    // The copy is a third of the size: lists have no room to grow, and strings are not cut from the text, which they would keep.
    if (!error) return { value: structuredClone(document.toJS({ maxAliasCount: 1000 })) };
    // Its own words about the place count from the beginning of the document.
    const message = error.message.split('\n', 1)[0]?.replace(/ at line \d+, column \d+:?$/, '');
    return { line: error.linePos?.[0].line ?? 1, message: message ?? 'no valid YAML' };
  } catch (error) {
    return { line: 1, message: error instanceof Error ? error.message : String(error) };
  }
}

/** The objects in a document: itself, or the items of a `List`. */
export function objectsOf(value: unknown): readonly unknown[] {
  if (!isFields(value)) return [value];
  const { kind, items } = value;
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items) ? items.flatMap(objectsOf) : [value];
}

import { inOneGo } from '../slices.ts';
import { Composer, type Document, type DuplicateKey } from './composer.ts';
import { YamlError } from './cursor.ts';

/** A part of a text that `---` sets off: most often one document. */
export interface Part {
  /** The line that it begins in, from 0. */
  readonly line: number;
  /** Where it begins in the text. */
  readonly from: number;
  readonly text: string;
}

/** What is in a part, with lines that count from 0 from its beginning. */
export interface PartContents {
  /** Those before the error, where there is one; comments alone are null. */
  readonly documents: readonly Document[];
  readonly duplicates: readonly DuplicateKey[];
  readonly error: { readonly line: number; readonly message: string } | undefined;
}

/** So many nodes are read in one go: less than a millisecond. */
const slice = 500;

/** What YAML does not allow in a text, quotes or not. */
const control = /[^\t\n\r\x20-\x7e\x85\xa0-\ufffd]/;

/** Cuts a text at every line that begins with `---`, wherever it stands. Lines with directives stay with what they are for. */
export function* partsOf(text: string): Generator<Part, void> {
  // With what follows on the line, where that is no more than a comment.
  const separator = /^\ufeff?---(?:[^\S\n]*(?:#[^\n]*)?(?:\n|$)|(?=[ \t]))/gm;
  let from = 0;
  let line = 0;
  for (;;) {
    const found = separator.exec(text);
    const part = text.slice(from, found?.index);
    if (found && isDirectives(part)) continue;
    // As kubectl has it: the last line ends with a line break, too.
    if (part) yield { line, from, text: found || part.endsWith('\n') ? part : `${part}\n` };
    if (!found) return;
    // A document may begin on the line of its separator.
    from = found.index + (found[0].endsWith('\n') ? found[0].length : 0);
    if (!found[0].endsWith('\n') && separator.lastIndex === text.length) return;
    line += lineOf(text, from, found.index - part.length);
  }
}

/** The line in which a place of a text is, from 0, or how many lines end between two places. */
export function lineOf(text: string, end = text.length, from = 0): number {
  let lines = 0;
  for (let i = text.indexOf('\n', from); i >= 0 && i < end; i = text.indexOf('\n', i + 1)) lines++;
  return lines;
}

/** Whether these are but directives, blank lines and comments, and not without directives. */
function isDirectives(text: string): boolean {
  let at = afterComments(text);
  if (text[at] !== '%') return false;
  while (text[at] === '%') {
    const end = text.indexOf('\n', at);
    at = end < 0 ? text.length : afterComments(text, end + 1);
  }
  return at === text.length;
}

/**
 * Where the first line begins, from the beginning of a line on, that is neither blank nor a comment; the text's length where there is none.
 * (A regular expression for this overflows its stack in a long text.)
 */
export function afterComments(text: string, from = 0): number {
  let line = from;
  for (;;) {
    let at = line;
    while (text[at] === ' ' || text[at] === '\t' || text[at] === '\r') at++;
    if (at >= text.length) return text.length;
    if (text[at] !== '\n' && text[at] !== '#') return line;
    const end = text.indexOf('\n', at);
    if (end < 0) return text.length;
    line = end + 1;
  }
}

/**
 * Reads a part as kubectl does, and beyond it: a document after `...` counts, too. Yields between slices, so that a long text need not be
 * read in one go. Never throws, and takes time in proportion to the text.
 */
export function* readPart(text: string): Generator<undefined, PartContents> {
  const bad = control.exec(text);
  if (bad) {
    const line = lineOf(text, bad.index);
    const code = `U+${(bad[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
    return { documents: [], duplicates: [], error: { line, message: `control characters are not allowed: ${code}` } };
  }
  // JSON may be indented by tabs, and kubectl reads it as JSON.
  const composer = new Composer(text.replace(/^[ \t\r\n]+(?=\{)/, blank => blank.replaceAll('\t', ' ')));
  const { documents, duplicates } = composer;
  try {
    while (!composer.advance(slice)) yield undefined;
    return { documents, duplicates, error: undefined };
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    return { documents, duplicates, error: { line: error.line, message: error.message } };
  }
}

/** The value of a text of one document, undefined for one without any. Throws an Error that names the line. */
export function parseYaml(text: string): unknown {
  const found: unknown[] = [];
  for (const { line, text: part } of partsOf(text)) {
    const { documents, error } = inOneGo(readPart(part));
    if (error) throw new Error(`line ${line + error.line + 1}: ${error.message}`);
    for (const { value } of documents) if (value !== null) found.push(value);
  }
  if (found.length > 1) throw new Error('one document is expected, --- begins another');
  return found[0];
}

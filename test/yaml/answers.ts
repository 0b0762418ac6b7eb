import assert from 'node:assert/strict';
import { inOneGo } from '../../src/slices.ts';
import { partsOf, readPart } from '../../src/yaml/documents.ts';

/** What a reader makes of a text: the documents that are not empty, before the error where there is one. */
export interface Answer {
  readonly documents: readonly unknown[];
  readonly error?: string;
}

/** Ours. */
export function read(text: string): Answer & { readonly begun: number; readonly twice: readonly string[] } {
  const documents: unknown[] = [];
  let begun = 0;
  const twice: string[] = [];
  for (const part of partsOf(text)) {
    const { documents: found, duplicates, error } = inOneGo(readPart(part.text));
    begun += found.length;
    twice.push(...duplicates.map(({ path }) => path));
    for (const { value } of found) if (value !== null) documents.push(value);
    if (error) return { documents, begun, twice, error: `line ${part.line + error.line + 1}: ${error.message}` };
  }
  return { documents, begun, twice };
}

/** A value with sorted keys, as JSON. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

/** Of keys that differ to Go and are the same text in JSON (1 and 1.0) kubectl takes any. */
export const isLeftToChance = (text: string): boolean =>
  read(text).twice.some(path => /(?:^|\.)(?:true|false|[-+.]*\d[^a-z]*)$/.test(path));

/**
 * Our answer is kubectl's. Where kubectl stops after a document without a word for what follows in the same part, ours may be a mistake: the
 * document before it is the same.
 */
export function assertSame(text: string, theirs: Answer): void {
  const ours = read(text);
  const silent = ours.error !== undefined && theirs.error === undefined && ours.begun > 0 && ours.begun <= 1;
  const shown = `${JSON.stringify(text)}\nours:    ${canonical(ours)}\nkubectl: ${canonical(theirs)}`;
  if (theirs.error === undefined)
    assert.ok(ours.error === undefined || silent, `a text that kubectl reads is refused: ${shown}`);
  else assert.ok(ours.error !== undefined, `a text that kubectl refuses is read: ${shown}`);
  if (isLeftToChance(text)) return;
  if (theirs.error === undefined) assert.equal(canonical(ours.documents), canonical(theirs.documents), shown);
}

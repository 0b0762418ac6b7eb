import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { combinations } from './combinations.ts';

/** Istio's answers to the table, by line of it; one file holds what it is about. */
const fileOf = (about: string): string => join(import.meta.dirname, 'golden', `${about.replaceAll(' ', '-')}.txt`);

/** Each line of the table. */
export const lines: readonly { readonly about: string; readonly line: string }[] = Object.entries(combinations).flatMap(
  ([about, list]) => list.map(line => ({ about, line })),
);

/** What a golden file says, by line of the table. */
export const golden = (about: string): ReadonlyMap<string, string> =>
  new Map(
    readFileSync(fileOf(about), 'utf8')
      .split(/^# /m)
      .slice(1)
      .map(part => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]),
  );

/** Writes Istio's answers down. */
export function write(about: string, answers: ReadonlyMap<string, string>): void {
  writeFileSync(fileOf(about), [...answers].map(([line, text]) => `# ${line}\n${text}`).join(''));
}

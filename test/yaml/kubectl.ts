import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Answer, isLeftToChance } from './answers.ts';
import { files } from './files.ts';
import { keys, scalars } from './given.ts';

/** Every text that is given: each scalar alone, in a list and as a value; each key; the files. */
export const given: readonly string[] = [
  ...new Set([
    ...scalars.flatMap(scalar => [`${scalar}\n`, `- ${scalar}\n- x\n`, `a: ${scalar}\nb: x\n`, `[${scalar}]\n`]),
    ...keys.flatMap(key => [`${key}: x\n`, `a:\n  b: 1\n  ${key}: x\n`, `{${key}: x}\n`]),
    ...files,
  ]),
].filter(text => !isLeftToChance(text) && !/^(?:\.\.\.|---[ \t]+[^\s#]|%)/m.test(text));

/** Asks kubectl's decoder, which `test/lab/build.sh yamljson` builds. */
export async function askKubectl(program: string, texts: readonly string[]): Promise<readonly Answer[]> {
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stdin.end(texts.map(text => `${Buffer.from(text).toString('base64')}\n`).join(''));
  await once(child, 'close');
  const answers = Buffer.concat(output).toString().trimEnd().split('\n');
  if (answers.length !== texts.length) throw new Error(`${texts.length} texts, ${answers.length} answers`);
  return answers.map(line => JSON.parse(line) as Answer);
}

/** Where its answers are kept, for those who have no Go: a line a text, `[text, documents]` or `[text, documents, error]`. */
export const answersFile = join(import.meta.dirname, 'kubectl.jsonl');

/** The answers that are kept. */
export function keptAnswers(): readonly (readonly [text: string, Answer])[] {
  return readFileSync(answersFile, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => {
      const [text, documents, error] = JSON.parse(line) as [string, unknown[], string?];
      return [text, { documents, ...(error !== undefined && { error }) }];
    });
}

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { assertSame, canonical, isLeftToChance } from '../yaml/answers.ts';
import { yamlText } from '../yaml/generated.ts';
import { answersFile, askKubectl, given, keptAnswers } from '../yaml/kubectl.ts';

const lab = join(import.meta.dirname, '..', 'lab');
const program = join(process.env['LAB_CACHE'] ?? join(homedir(), '.cache', 'mesh-lab'), 'bin', 'yamljson');
execFileSync(join(lab, 'build.sh'), ['yamljson'], { stdio: ['ignore', 'ignore', 'inherit'] });
assert.ok(existsSync(program));

test('20,000 texts say what they say to kubectl', async () => {
  const texts = fc.sample(yamlText, 20_000).filter(text => text !== '');
  const answers = await askKubectl(program, texts);
  for (const [i, answer] of answers.entries()) assertSame(texts[i] ?? '', answer);
  assert.ok(answers.filter(({ error }) => error === undefined).length > 5_000, 'enough of them are YAML');
});

test('the answers that are kept are its', async () => {
  if (process.env['UPDATE_GOLDEN']) {
    const texts = [...given, ...fc.sample(yamlText, { seed: 1, numRuns: 1_500 })].filter(
      text => text !== '' && !isLeftToChance(text),
    );
    const answers = await askKubectl(program, texts);
    const lines = answers.map(({ documents, error }, i) =>
      JSON.stringify([texts[i], documents, error].slice(0, error ? 3 : 2)),
    );
    writeFileSync(answersFile, `${lines.join('\n')}\n`);
  }
  const kept = keptAnswers();
  const answers = await askKubectl(
    program,
    kept.map(([text]) => text),
  );
  for (const [i, [text, answer]] of kept.entries()) assert.equal(canonical(answer), canonical(answers[i]), text);
});

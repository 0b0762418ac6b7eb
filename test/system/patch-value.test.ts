import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Answer, type Case, generated, table } from '../proto/patch-value-cases.ts';
import { answersFile, compare, keptAnswers } from '../proto/patch-value-comparison.ts';

const lab = process.env['LAB_CACHE'] ?? join(homedir(), '.cache', 'mesh-lab');
const program = join(lab, 'bin', 'patchvalue');

/** What istiod itself makes of values. */
function askIstiod(cases: readonly Case[]): readonly Answer[] {
  const input = cases.map(c => JSON.stringify(c)).join('\n');
  const run = spawnSync(program, { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
  assert.equal(run.status, 0, run.stderr || String(run.error));
  return run.stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Answer);
}

/** What is kept of an answer about a case of the table, which has many: not in which words it is refused. */
const inShort = (answer: Answer): Answer => (answer.error === undefined ? answer : { error: '' });

function update(): void {
  const others = fc.sample(generated, { numRuns: 200, seed: 5 }).filter(c => JSON.stringify(c).length < 600);
  const answers = askIstiod([...table, ...others]);
  const lines = (items: readonly unknown[]): string => items.map(item => `\n${JSON.stringify(item)}`).join(',');
  const ofOthers = others.map((c, i) => ({ case: c, answer: answers[table.length + i] }));
  writeFileSync(
    answersFile,
    `{"table":[${lines(answers.slice(0, table.length).map(inShort))}],\n"others":[${lines(ofOthers)}]}\n`,
  );
}

/** What an answer says whenever it is asked, as the file can say it: Go puts its errors into other words from one build to the next. */
const meaning = ({ json, error, warning }: Answer) => ({
  json: json === undefined ? '' : JSON.parse(JSON.stringify(json)),
  isRefused: error !== undefined,
  isWarned: warning !== undefined,
});

test('the answers that are kept are those of istiod', () => {
  if (process.env['UPDATE_GOLDEN']) update();
  const kept = keptAnswers();
  const cases = [...table, ...kept.others.map(other => other.case)];
  const expected = [...kept.table, ...kept.others.map(other => other.answer)];
  for (const [i, answer] of askIstiod(cases).entries())
    assert.deepEqual(meaning(answer), meaning(expected[i] ?? assert.fail()), JSON.stringify(cases[i]));
});

test('other values are read as istiod reads them', () => {
  const cases = fc.sample(generated, 500);
  assert.ok(compare(cases, askIstiod(cases)) > 300);
});

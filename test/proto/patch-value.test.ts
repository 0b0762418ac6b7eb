import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { accessSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { patchMessages, readPatchValue } from '../../src/istio/patch-value.ts';
import { findType } from '../../src/proto/bundle.ts';
import { EnvoyFilter_ApplyTo as ApplyTo } from '../../src/proto/generated/istio/networking/v1alpha3.ts';
import { messageJson } from '../../src/proto/json-writer.ts';
import type { AnyMessage } from '../../src/proto/message.ts';
import { schemaOf } from '../../src/proto/schema.ts';
import { type Json, struct } from '../../src/proto/wellknown.ts';
import { type Answer, type Case, generated, table } from './patch-value-cases.ts';

const file = join(import.meta.dirname, 'patch-value-answers.json');
const lab = process.env['LAB_CACHE'] ?? join(homedir(), '.cache', 'mesh-lab');
const program = join(lab, 'bin', 'patchvalue');

/** What istiod itself makes of values; undefined where the lab is not built. */
function askIstiod(cases: readonly Case[]): readonly Answer[] | undefined {
  try {
    accessSync(program);
  } catch {
    return undefined;
  }
  const input = cases.map(c => JSON.stringify(c)).join('\n');
  const run = spawnSync(program, { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Answer);
}

/** What reading a value comes to, in the shape of istiod's answer. */
function read({ applyTo, value }: Case): { readonly json?: Json; readonly error?: string; readonly unknown: boolean } {
  const name = patchMessages[ApplyTo[applyTo] as keyof typeof patchMessages];
  const { value: message, problems } = readPatchValue(name, struct(value as { readonly [key: string]: Json }));
  const invalid = problems.find(({ kind }) => kind === 'invalid');
  const unknown = problems.some(({ kind }) => kind === 'unknown field');
  if (invalid) return { error: `${invalid.path}: ${invalid.message}`, unknown };
  return { json: messageJson(name, message as AnyMessage), unknown };
}

/** protojson's form of an Empty in an Any is read, too. */
const isProtoJson = (value: Json): boolean => JSON.stringify(value).includes('google.protobuf.Empty"}');

/** Whether istiod's version of Envoy's API lacks a message or a field that the bundle has. */
function isNewer({ error = '', warning = '' }: Answer): boolean {
  const [, type] = /could not resolve Any message type: \S*\/(\S+)/.exec(error) ?? [];
  if (type) return findType(type) !== undefined;
  const [, field, message] = /unknown field "(.*)" in (\S+)$/.exec(warning) ?? [];
  return (
    field !== undefined &&
    message !== undefined &&
    findType(message) !== undefined &&
    schemaOf(message).byKey.has(field)
  );
}

/** Compares what is read with what istiod reads; gives how many were compared. */
function compare(cases: readonly Case[], answers: readonly Answer[]): number {
  assert.equal(answers.length, cases.length);
  let compared = 0;
  for (const [i, c] of cases.entries()) {
    const answer = answers[i] ?? assert.fail('no answer');
    if (isNewer(answer)) continue;
    compared++;
    const found = read(c);
    const what = `${c.applyTo} ${JSON.stringify(c.value)}`;
    if (answer.error !== undefined) {
      assert.ok(found.error !== undefined || isProtoJson(c.value), `${what}: istiod refuses it: ${answer.error}`);
      continue;
    }
    assert.equal(found.error, undefined, what);
    assert.deepEqual(JSON.parse(JSON.stringify(found.json)), JSON.parse(JSON.stringify(answer.json)), what);
    assert.equal(found.unknown, answer.warning !== undefined, `${what}: ${answer.warning ?? 'no warning of istiod'}`);
  }
  return compared;
}

interface Answers {
  /** Of the cases of the table. */
  readonly table: readonly Answer[];
  readonly others: readonly { readonly case: Case; readonly answer: Answer }[];
}

function update(): void {
  const others = fc.sample(generated, { numRuns: 200, seed: 5 }).filter(c => JSON.stringify(c).length < 600);
  const answers =
    askIstiod([...table, ...others]) ?? assert.fail('test/lab/build.sh istio makes the program that answers');
  const lines = (items: readonly unknown[]): string => items.map(item => `\n${JSON.stringify(item)}`).join(',');
  const ofTable = answers.slice(0, table.length).map(a => (a.error === undefined ? a : { error: '' }));
  const ofOthers = others.map((c, i) => ({ case: c, answer: answers[table.length + i] }));
  writeFileSync(file, `{"table":[${lines(ofTable)}],\n"others":[${lines(ofOthers)}]}\n`);
}

test('values of patches are read as istiod reads them', t => {
  if (process.env['UPDATE_GOLDEN']) update();
  const answers = JSON.parse(readFileSync(file, 'utf8')) as Answers;
  const others = answers.others;
  const compared =
    compare(table, answers.table) +
    compare(
      others.map(other => other.case),
      others.map(other => other.answer),
    );
  const refused = answers.table.filter(({ error }) => error !== undefined).length;
  t.diagnostic(`${compared} values; istiod refuses ${refused} of the ${table.length} in the table`);
  assert.ok(compared > 3000 && refused > 2000 && table.length - refused > 500);
});

test('other values, too, where istiod can be asked', t => {
  const cases = fc.sample(generated, 500);
  const answers = askIstiod(cases);
  if (!answers) t.skip('test/lab/build.sh istio makes the program that answers');
  else assert.ok(compare(cases, answers) > 300);
});

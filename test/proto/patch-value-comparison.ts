import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { patchMessages, readPatchValue } from '../../src/istio/patch-value.ts';
import { findType } from '../../src/proto/bundle.ts';
import { EnvoyFilter_ApplyTo as ApplyTo } from '../../src/proto/generated/istio/networking/v1alpha3.ts';
import { messageJson } from '../../src/proto/json-writer.ts';
import type { AnyMessage } from '../../src/proto/message.ts';
import { schemaOf } from '../../src/proto/schema.ts';
import { struct } from '../../src/proto/wellknown.ts';
import type { Json } from '../../src/unknown.ts';
import type { Answer, Case } from './patch-value-cases.ts';

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
export function compare(cases: readonly Case[], answers: readonly Answer[]): number {
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

/** What istiod has answered, kept: `npm run test:system` asks it again. */
export interface Answers {
  /** Of the cases of the table. */
  readonly table: readonly Answer[];
  readonly others: readonly { readonly case: Case; readonly answer: Answer }[];
}

export const answersFile = join(import.meta.dirname, 'patch-value-answers.json');

export const keptAnswers = (): Answers => JSON.parse(readFileSync(answersFile, 'utf8'));

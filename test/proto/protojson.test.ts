import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromJson } from '../../src/proto/json.ts';
import { messageJson } from '../../src/proto/json-writer.ts';
import { type AnyMessage, decodeMessage, encodeMessage } from '../../src/proto/message.ts';
import { message, roots } from './arbitrary-message.ts';
import { goMissing } from './go.ts';

const proto = join(import.meta.dirname, '../../proto');

test('every root: JSON is what Go writes, Go’s is read back, and bytes come back as they were', {
  skip: goMissing,
}, () => {
  const cases = roots.flatMap(name =>
    fc.sample(message(name, 3), { numRuns: 3, seed: 7 }).map(m => ({ name, bytes: encodeMessage(name, m), m })),
  );
  const input = cases.map(c => JSON.stringify({ name: c.name, bytes: c.bytes.toString('base64') })).join('\n');
  const go = spawnSync('go', ['run', '.', '-json'], {
    cwd: join(proto, 'gen'),
    env: { ...process.env, CGO_ENABLED: '0' },
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  assert.equal(go.status, 0, go.stderr);
  const lines = go.stdout.trimEnd().split('\n');
  assert.equal(lines.length, cases.length);
  for (const [i, { name, bytes, m }] of cases.entries()) {
    const expected: unknown = JSON.parse(lines[i] ?? '');
    assert.deepEqual(JSON.parse(JSON.stringify(messageJson(name, m))), expected, name);
    const read = fromJson(name, expected);
    assert.deepEqual(read.problems, [], name);
    assert.deepEqual(messageJson(name, read.value as AnyMessage), messageJson(name, m), name);
    assert.deepEqual(encodeMessage(name, decodeMessage(name, bytes)), bytes, name);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonLines } from '../../src/sources/kubernetes/json-lines.ts';

async function parse(chunks: readonly Buffer[], maxBytes?: number): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const batch of jsonLines(
    (async function* () {
      yield* chunks;
    })(),
    maxBytes,
  ))
    values.push(...batch);
  return values;
}

test('lines are parsed wherever the chunks are cut', async () => {
  const values = [{ a: 'grüße 世界' }, 1, [null, '\n'], 'x'];
  const bytes = Buffer.from(values.map(value => `${JSON.stringify(value)}\n`).join(''));
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    assert.deepEqual(await parse(chunks), values);
  }
});

test('empty lines and an unfinished last one are nothing', async () => {
  assert.deepEqual(await parse([Buffer.from('\n1\r\n\n{"a":')]), [1]);
});

test('a line that has no end is refused', async () => {
  await assert.rejects(parse([Buffer.alloc(60, 'x'), Buffer.alloc(60, 'x')], 100), /more than 100 bytes/);
});

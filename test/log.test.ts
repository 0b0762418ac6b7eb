import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bounds } from '../src/bounds.ts';

const program = join(import.meta.dirname, 'support/log-flood.ts');
const lineOf = (text: string): Record<string, unknown> => JSON.parse(text);

test('a log that nobody reads holds nothing up: neither the work nor the end', async () => {
  const child = spawn('node', [program], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(child, 'exit');
  const [said] = await once(child.stdout, 'data');
  assert.equal(String(said), 'went on\n');
  assert.deepEqual(await exit, [0, null]);
});

test('nor does one that goes into a pipe of the shell', async () => {
  // The reader of the pipe reads nothing and ends when the writer has.
  const script = 'mkfifo "$1" && exec 3<>"$1" && node "$2" 2>"$1"';
  const folder = mkdtempSync(join(tmpdir(), 'log-'));
  const child = spawn('sh', ['-c', script, 'sh', join(folder, 'pipe'), program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
});

test('lines are short, and what is said again and again is counted', async () => {
  const began = performance.now();
  const child = spawn('node', [program], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  await once(child, 'close');
  const lines = text.trimEnd().split('\n').map(lineOf);
  const events = lines.filter(({ msg }) => String(msg).startsWith('event'));
  // A slow machine may take more than a stretch to say it.
  const stretches = Math.ceil((performance.now() - began) / bounds['log-stretch'].most);
  const same = lines.filter(({ msg }) => msg === 'the same').length;
  assert.ok(same > 0 && same <= stretches * bounds['log-repeats'].most, `${same} lines in ${stretches} stretches`);
  assert.ok(events.length > 0);
  for (const { text: long, list, err } of events) {
    assert.ok(String(long).length < bounds['log-text'].most + 50);
    assert.equal((list as unknown[]).length, bounds['log-items'].most + 1);
    assert.ok(JSON.stringify(err).length < 3 * bounds['log-text'].most);
  }
});

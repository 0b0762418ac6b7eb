import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { appendFile, rename, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { bounds } from '../../src/bounds.ts';
import { until } from '../support/until.ts';
import { Folder, service } from './folder.ts';

/** Does something after another with a breath between them; whether none of the breaths was so long that a file could seem to be at rest. */
async function inOneBreath(steps: readonly (() => Promise<void>)[]): Promise<boolean> {
  let longest = 0;
  for (const step of steps) {
    const began = performance.now();
    await step();
    await pause(10);
    longest = Math.max(longest, performance.now() - began);
  }
  return longest < 40;
}

/** Tries until the machine lets it be in one breath. */
async function untilInOneBreath(attempt: (n: number) => Promise<boolean>): Promise<void> {
  for (let n = 0; n < 50; n++) if (await attempt(n)) return;
  assert.fail('the machine is too busy for this test');
}

/** How many bytes this process has read. */
const bytesRead = (): number => Number(/^rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);

test('a large file that is written in pieces is read when it is whole', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a') });
  await untilInOneBreath(async n => {
    const name = `large-${n}.yaml`;
    const pieces = Array.from(
      { length: 10 },
      (_, i) => `${service(`s-${n}-${i}`)}---\n${`# ${'x'.repeat(97)}\n`.repeat(12_000)}`,
    );
    const before = bytesRead();
    const calm = await inOneBreath(pieces.map(text => () => appendFile(join(folder.path, name), text)));
    await until('all of it', () => folder.services.includes(`s-${n}-9:`));
    const size = pieces.join('').length;
    // Once more for what is not known to be at rest by its stamp.
    if (calm) assert.ok(bytesRead() - before < 2.5 * size, `${bytesRead() - before} bytes are read of ${size}`);
    return calm;
  });
});

test('a file that becomes too large is not read on its way there', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a') });
  const { most } = bounds['file-bytes'];
  await untilInOneBreath(async n => {
    const name = `large-${n}.yaml`;
    await folder.write('.large', `${'#'.repeat(2 << 20)}\n---\n${service(`large-${n}`)}`);
    const calm = await inOneBreath([
      () => rename(join(folder.path, '.large'), join(folder.path, name)),
      () => truncate(join(folder.path, name), most + 1),
    ]);
    await until('the problem', () => folder.problemsOf(name).startsWith(`it has ${most + 1} bytes`));
    if (calm) assert.ok(!folder.services.includes(`large-${n}`), folder.services);
    return calm;
  });
});

test('a file that is empty while it is saved is no problem', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a') });
  await untilInOneBreath(async n => {
    const calm = await inOneBreath([
      () => folder.write('a.yaml', ''),
      () => folder.write('a.yaml', service('a', 100 + n)),
    ]);
    await until('what was saved', () => folder.services === `a:${100 + n}`);
    if (calm) assert.ok(!folder.changes.some(({ op }) => op === 'problems'));
    return calm;
  });
  await folder.write('a.yaml', '');
  await until('the problem', () => folder.problemsOf('a.yaml').includes('the file is empty'));
  assert.match(folder.services, /^a:/);
});

test('no other file waits while a long one is read', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a') });
  const long = Array.from({ length: 8_000 }, (_, i) => service(`s-${i}`)).join('---\n');
  assert.ok(long.length < 1 << 20);
  await folder.write('long.yaml', long);
  await folder.write('a.yaml', service('a', 81));
  await until('the short one', () => folder.services.includes('a:81'));
  assert.ok(!folder.services.includes('s-0'), 'the long one came first');
  await until('the long one', () => folder.services.includes('s-7999'));
});

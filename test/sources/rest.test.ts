import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { appendFile, rename, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { bounds } from '../../src/bounds.ts';
import { HeldClock } from '../support/clock.ts';
import { until } from '../support/until.ts';
import { Folder, service } from './folder.ts';

// The clock stands still while files are written, however long this machine takes for that.

/** Waits for something that is to come once files are at rest. */
const atRest = (clock: HeldClock, what: string, probe: () => boolean): Promise<boolean> =>
  until(what, () => {
    clock.pass(100);
    return probe();
  });

/** How many bytes this process has read. */
const bytesRead = (): number => Number(/^rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);

test('a large file that is written in pieces is read when it is whole', async () => {
  const clock = new HeldClock();
  await using folder = await Folder.with({ 'a.yaml': service('a') }, clock);
  const pieces = Array.from(
    { length: 10 },
    (_, i) => `${service(`s-${i}`)}---\n${`# ${'x'.repeat(97)}\n`.repeat(12_000)}`,
  );
  const before = bytesRead();
  for (const text of pieces) {
    await appendFile(join(folder.path, 'large.yaml'), text);
    // A breath, in which it would be read.
    await pause(20);
  }
  // By then its stamp tells it from what may be written later.
  await pause(100);
  await atRest(clock, 'all of it', () => folder.services.includes('s-9:'));
  const size = pieces.join('').length;
  // Once more, should it have been written so late that its stamp did not tell.
  assert.ok(bytesRead() - before < 2.5 * size, `${bytesRead() - before} bytes are read of ${size}`);
});

test('a file that becomes too large is not read on its way there', async () => {
  const clock = new HeldClock();
  await using folder = await Folder.with({ 'a.yaml': service('a') }, clock);
  const { most } = bounds['file-bytes'];
  await folder.write('.large', `${'#'.repeat(2 << 20)}\n---\n${service('large')}`);
  await rename(join(folder.path, '.large'), join(folder.path, 'large.yaml'));
  await pause(20);
  await truncate(join(folder.path, 'large.yaml'), most + 1);
  await atRest(clock, 'the problem', () => folder.problemsOf('large.yaml').startsWith(`it has ${most + 1} bytes`));
  assert.equal(folder.services, 'a:80');
});

test('a file that is empty while it is saved is no problem', async () => {
  const clock = new HeldClock();
  await using folder = await Folder.with({ 'a.yaml': service('a') }, clock);
  await folder.write('a.yaml', '');
  await pause(20);
  await folder.write('a.yaml', service('a', 81));
  await until('what was saved', () => folder.services === 'a:81');
  assert.ok(!folder.changes.some(({ op }) => op === 'problems'));
  await folder.write('a.yaml', '');
  await atRest(clock, 'the problem', () => folder.problemsOf('a.yaml').includes('the file is empty'));
  assert.equal(folder.services, 'a:81');
});

test('no other file waits while a long one is read', async () => {
  await using folder = await Folder.with({ 'z.yaml': service('z') });
  const long = Array.from({ length: 8_000 }, (_, i) => service(`s-${i}`)).join('---\n');
  assert.ok(long.length < 1 << 20);
  // At once: both are found together.
  writeFileSync(join(folder.path, 'long.yaml'), long);
  writeFileSync(join(folder.path, 'z.yaml'), service('z', 81));
  await until('the long one', () => folder.services.includes('s-7999'));
  const order = folder.changes.flatMap(change => (change.op === 'upsert' ? change.object.metadata.name : []));
  assert.equal(order[0], 'z', 'the long one came first');
});

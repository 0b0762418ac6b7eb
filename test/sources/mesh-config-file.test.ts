import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConfigChange } from '../../src/config/store.ts';
import { silentLog as log } from '../../src/log/log.ts';
import { meshConfigFile } from '../../src/sources/mesh-config-file.ts';
import { until } from '../support/until.ts';

const textOf = (change: ConfigChange | undefined): unknown => {
  const object = change?.op === 'upsert' ? change.object : change?.op === 'replace' ? change.objects[0] : undefined;
  return (object?.['data'] as { mesh: string } | undefined)?.mesh;
};

test('a file mounted from a ConfigMap is followed: its folder is replaced by turning a link', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-config-'));
  const stop = new AbortController();
  t.after(() => {
    stop.abort();
    return rm(folder, { recursive: true });
  });
  const version = async (name: string, text: string) => {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'mesh'), text);
    await symlink(name, join(folder, '..new'));
    await rename(join(folder, '..new'), join(folder, '..data'));
  };
  await version('..1', 'trustDomain: one');
  await symlink('..data/mesh', join(folder, 'mesh'));
  const changes: ConfigChange[] = [];
  await meshConfigFile({ file: join(folder, 'mesh'), log }).run(change => changes.push(change), stop.signal).synced;
  assert.deepEqual(changes.map(textOf), ['trustDomain: one']);
  await version('..2', 'trustDomain: two');
  await until('the second version', () => textOf(changes.at(-1)) === 'trustDomain: two');
  assert.equal(changes.length, 2);
});

test('an edited file is followed; empty for a moment or gone it keeps its last text', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-config-'));
  const file = join(folder, 'mesh.yaml');
  const stop = new AbortController();
  t.after(() => {
    stop.abort();
    return rm(folder, { recursive: true });
  });
  await writeFile(file, 'trustDomain: one');
  const changes: ConfigChange[] = [];
  await meshConfigFile({ file, log }).run(change => changes.push(change), stop.signal).synced;
  await writeFile(file, '');
  await rm(file);
  await writeFile(file, 'trustDomain: two');
  await until('the second text', () => textOf(changes.at(-1)) === 'trustDomain: two');
  const texts = changes.filter(({ op }) => op !== 'problems').map(textOf);
  assert.deepEqual(texts, ['trustDomain: one', 'trustDomain: two']);
});

test('what cannot be read is a problem until it can be, and its last text stays', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-config-'));
  const file = join(folder, 'mesh.yaml');
  const stop = new AbortController();
  t.after(() => {
    stop.abort();
    return rm(folder, { recursive: true });
  });
  await writeFile(file, 'trustDomain: one');
  const changes: ConfigChange[] = [];
  await meshConfigFile({ file, log }).run(change => changes.push(change), stop.signal).synced;
  const problem = () => {
    const last = changes.findLast(change => change.op === 'problems');
    return last?.op === 'problems' ? (last.problems[0]?.message ?? '') : '';
  };
  const bad: readonly (readonly [string | Buffer, RegExp])[] = [
    [' \n', /it is empty$/],
    [Buffer.from('trustDomain: \xe9', 'latin1'), /line 1: these bytes are no UTF-8/],
  ];
  for (const [text, said] of bad) {
    await writeFile(file, text);
    await until('the problem', () => said.test(problem()));
  }
  await writeFile(file, Buffer.from('\ufefftrustDomain: two', 'utf16le'));
  await until('the text', () => changes.some(change => textOf(change) === 'trustDomain: two') && problem() === '');
  await rm(file);
  await until('the file to be missed', () => /ENOENT/.test(problem()));
  assert.equal(changes.filter(({ op }) => op !== 'problems').length, 2);
});

test('a file that is not there is told at once', async () => {
  const source = meshConfigFile({ file: join(tmpdir(), 'no-such-mesh.yaml'), log });
  await assert.rejects(source.run(() => {}, AbortSignal.abort()).synced, { code: 'ENOENT' });
});

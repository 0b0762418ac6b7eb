import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/until.ts';
import { service } from './file.ts';
import { Folder } from './folder.ts';

async function elsewhere(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'pilotlight-links-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

/** As the kubelet does with a ConfigMap: a new folder, a link to it that is replaced in one step, and what is old is removed. */
async function mount(path: string, version: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(path, `..${version}`));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, `..${version}`, name), text);
  await symlink(`..${version}`, join(path, '..data_tmp'));
  await rename(join(path, '..data_tmp'), join(path, '..data'));
}

test('what a link leads to is followed where it is, and so is the way there', async () => {
  await using there = await elsewhere();
  await mkdir(join(there.path, 'v1'));
  await mkdir(join(there.path, 'v2'));
  await writeFile(join(there.path, 'v1', 'a.yaml'), service('a'));
  await writeFile(join(there.path, 'v2', 'a.yaml'), service('a', 90));
  await writeFile(join(there.path, 'b.yaml'), service('b'));
  await symlink('v1', join(there.path, 'now'));
  await symlink(join(there.path, 'b.yaml'), join(there.path, 'again.yaml'));
  await using folder = await Folder.with({ 'c.yaml': service('c') });
  await symlink(join(there.path, 'now', 'a.yaml'), join(folder.path, 'a.yaml'));
  await symlink(join(there.path, 'again.yaml'), join(folder.path, 'b.yaml'));
  await until('the links', () => folder.services === 'a:80 b:80 c:80');

  await writeFile(join(there.path, 'b.yaml'), service('b', 81));
  await until('a write', () => folder.services === 'a:80 b:81 c:80');
  await writeFile(join(there.path, 'new'), service('b', 82));
  await rename(join(there.path, 'new'), join(there.path, 'b.yaml'));
  await until('a replaced file', () => folder.services === 'a:80 b:82 c:80');
  await writeFile(join(there.path, 'v1', 'a.yaml'), service('a', 81));
  await until('a write behind a link to a folder', () => folder.services === 'a:81 b:82 c:80');
  await symlink('v2', join(there.path, 'next'));
  await rename(join(there.path, 'next'), join(there.path, 'now'));
  await until('a link on the way that leads elsewhere now', () => folder.services === 'a:90 b:82 c:80');
  await writeFile(join(there.path, 'v2', 'a.yaml'), service('a', 91));
  await until('a write there', () => folder.services === 'a:91 b:82 c:80');
  await rm(join(folder.path, 'b.yaml'));
  await until('no link', () => folder.services === 'a:91 c:80');
  assert.equal(folder.contents.problems.size, 0);
});

test('a mounted ConfigMap is replaced in one step', async () => {
  await using folder = await Folder.with({ 'kept.yaml': service('kept') });
  await mount(folder.path, '1', { 'a.yaml': service('a'), 'b.yaml': service('b') });
  for (const name of ['a.yaml', 'b.yaml']) await symlink(join('..data', name), join(folder.path, name));
  await until('the first', () => folder.services === 'a:80 b:80 kept:80');
  await mount(folder.path, '2', { 'a.yaml': service('a', 81), 'c.yaml': service('c') });
  await symlink(join('..data', 'c.yaml'), join(folder.path, 'c.yaml'));
  await rm(join(folder.path, 'b.yaml'));
  await rm(join(folder.path, '..1'), { recursive: true });
  await until('the second', () => folder.services === 'a:81 c:80 kept:80');
  await writeFile(join(folder.path, '..data', 'a.yaml'), service('a', 82));
  await until('a write within it', () => folder.services === 'a:82 c:80 kept:80');
});

test('what is neither a file nor a folder is a problem, and what was there before stays', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a'), 'b.yaml': service('b') });
  execFileSync('mkfifo', [join(folder.path, 'pipe.yaml'), join(folder.path, 'pipe.txt')]);
  await symlink('/dev/zero', join(folder.path, 'zero.yaml'));
  await rename(join(folder.path, 'pipe.txt'), join(folder.path, 'b.yaml'));
  await until('all three', () => folder.contents.problems.size === 3);
  for (const name of ['pipe.yaml', 'zero.yaml', 'b.yaml'])
    assert.equal(folder.problemsOf(name), 'cannot be read: it is a pipe, a socket or a device, no file');
  assert.equal(folder.services, 'a:80 b:80');
});

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { type ObjectKey, objectKey } from '../../src/object-key.ts';
import { directorySource } from '../../src/sources/directory.ts';
import { configSourceContract } from '../contract/config-source.ts';
import { HeldClock } from '../support/clock.ts';
import { until } from '../support/until.ts';
import { Folder, log, service } from './folder.ts';

test('every file below the folder is read, once it says synced', async () => {
  await using folder = await Folder.with({
    'a.yaml': `# nothing\n---\n${service('a')}---\n${service('b')}---\n`,
    'deep/er/c.yml': service('c'),
    'list.yaml': `apiVersion: v1\nkind: List\nitems:\n- ${service('d').trimEnd().replaceAll('\n', '\n  ')}\n`,
    'notes.txt': 'not: [yaml',
    'deep/kustomization.yaml': 'resources: [er/c.yml]',
    '.hidden/x.yaml': service('hidden'),
    'meshconfig.yaml': 'accessLogFile: /dev/stdout',
    'slices.yaml':
      'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a, labels: {kubernetes.io/service-name: a}}\naddressType: IPv4\n---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: a}\n',
  });
  assert.equal(folder.services, 'a:80 b:80 c:80 d:80');
  const key = objectKey('Service', 'default', 'a');
  assert.equal(folder.contents.Service.get(key)?.meta.createdAt, 0);
  assert.equal(folder.contents.MeshConfig.get('MeshConfig/istio' as ObjectKey)?.spec.accessLogFile, '/dev/stdout');
  assert.deepEqual([folder.contents.EndpointSlice.size, folder.contents.Endpoints.size], [1, 1]);
  assert.equal(folder.contents.problems.size, 0);
});

test('the ConfigMap istio holds the MeshConfig, too', async () => {
  const map = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: 'istio-system' },
    data: { mesh: 'trustDomain: a.b' },
  };
  await using folder = await Folder.with({ 'istio.yaml': stringify(map) });
  assert.equal([...folder.contents.MeshConfig.values()][0]?.spec.trustDomain, 'a.b');
});

test('files that are written, replaced, added, moved and removed', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a') });
  await folder.write('a.yaml', service('a', 81));
  await until('a file that was written', () => folder.services === 'a:81');

  // As editors do it.
  await folder.write('.a.yaml.swp', service('a', 82));
  await rename(join(folder.path, '.a.yaml.swp'), join(folder.path, 'a.yaml'));
  await until('a file that was replaced', () => folder.services === 'a:82');
  await folder.write('a.yaml', service('a', 83));
  await until('a file that was written after it was replaced', () => folder.services === 'a:83');

  await folder.write('new/folder/b.yaml', service('b'));
  await until('a file in a new folder', () => folder.services === 'a:83 b:80');
  await folder.write('new/folder/b.yaml', service('b', 81));
  await until('a change in the new folder', () => folder.services === 'a:83 b:81');

  await rename(join(folder.path, 'new'), join(folder.path, 'moved'));
  await folder.write('moved/folder/c.yaml', service('c'));
  await until('a folder that was moved', () => folder.services === 'a:83 b:81 c:80');

  await rm(join(folder.path, 'a.yaml'));
  await until('a file that was removed', () => folder.services === 'b:81 c:80');
  await rm(join(folder.path, 'moved'), { recursive: true });
  await until('a folder that was removed', () => folder.services === '');
  await folder.write('moved/folder/c.yaml', service('c'));
  await until('a folder that was removed and made again', () => folder.services === 'c:80');
});

test('what was written during an instant is read to its last word', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a') });
  for (let round = 0; round < 20; round++) {
    for (let port = 1000; port < 1010; port++) await folder.write('a.yaml', service('a', port));
    await folder.write('a.yaml', service('a', 2000 + round));
    await until('the last one', () => folder.services === `a:${2000 + round}`);
  }
});

test('a broken document keeps what the file had, is reported, and leaves the rest in force', async () => {
  const two = (a: number, b: number) => `${service('a', a)}---\n${service('b', b)}`;
  await using folder = await Folder.with({ 'a.yaml': two(80, 80), 'c.yaml': service('c') });
  await folder.write('a.yaml', `${service('a', 81)}---\n${service('b').replace('{name', '{{name')}`);
  await until('the first document', () => folder.services === 'a:81 b:80 c:80');
  assert.match(folder.problemsOf('a.yaml'), /^line \d+ .+\n1 of its objects/);
  assert.match(folder.problemsOf('a.yaml'), /^line 8 /);

  await folder.write('a.yaml', '');
  await until('the empty file', () => folder.problemsOf('a.yaml').includes('empty'));
  assert.equal(folder.services, 'a:81 b:80 c:80');

  await folder.write('a.yaml', two(82, 82));
  await until('the repaired file', () => folder.services === 'a:82 b:82 c:80');
  assert.equal(folder.contents.problems.size, 0);
  await folder.write('a.yaml', '# nothing any more\n');
  await until('the file without objects', () => folder.services === 'c:80');
});

test('what a writer has not come to yet stays until the file is at rest', async () => {
  const texts = (port: number) => Array.from({ length: 50 }, (_, i) => service(`s${i}`, port));
  const clock = new HeldClock();
  await using folder = await Folder.with({ 'a.yaml': texts(80).join('---\n') }, clock);
  const all = (port: number) => folder.services.split(' ').filter(name => name.endsWith(`:${port}`)).length;
  const told = folder.changes.length;
  for (let round = 81; round < 90; round++) {
    const text = texts(round).join('---\n');
    // As cp and editors write a long file: in pieces, and each is read.
    const pieces = 7;
    for (let i = 1; i <= pieces; i++) {
      await folder.write('a.yaml', text.slice(0, Math.ceil((text.length * i) / pieces)));
      await until('the piece', () => all(round) >= Math.floor((50 * i) / pieces) - 1);
    }
    await until('the last one', () => all(round) === 50);
  }
  assert.deepEqual(
    folder.changes.slice(told).filter(({ op }) => op === 'delete'),
    [],
  );
  assert.equal(folder.contents.problems.size, 0);
  await folder.write('a.yaml', `# rest\n${texts(80).slice(0, 20).join('---\n')}`);
  await until('the first twenty', () => all(80) === 20);
  assert.equal(folder.contents.Service.size, 50);
  await until('the removal', () => {
    clock.pass(100);
    return folder.contents.Service.size === 20;
  });
});

test('what cannot be read is reported with file and line', async () => {
  await using folder = await Folder.with({
    'a.yaml': `${service('a')}---\njust text\n---\nkind: Service\n---\napiVersion: v1\nkind: Service\nmetadata: {}\n---\n${service('a', 81)}`,
    'apps.yaml':
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n',
    'b.yaml': service('a', 82),
    'bomb.yaml': `a: &a [x]\n${Array.from({ length: 12 }, (_, i) => `b${i}: &b${i} [${Array(12).fill(i ? `*b${i - 1}` : '*a')}]`).join('\n')}\n`,
    'meshconfig.yaml': '- not\n- settings\n',
  });
  assert.equal(folder.services, 'a:80');
  assert.deepEqual(
    folder
      .problemsOf('a.yaml')
      .split('\n')
      .map(line => line.split(' ').slice(0, 2).join(' ')),
    ['line 6', 'line 8', 'line 10', 'line 14'],
  );
  assert.match(folder.problemsOf('apps.yaml'), /^2 objects of kind Deployment \(apps\/v1\) skipped/);
  assert.match(folder.problemsOf('b.yaml'), /^Service\/default\/a is also in a\.yaml/);
  assert.match(folder.problemsOf('bomb.yaml'), /alias/i);
  assert.match(folder.problemsOf('meshconfig.yaml'), /fields of a MeshConfig/);

  await rm(join(folder.path, 'a.yaml'));
  await until('the other file takes over', () => folder.services === 'a:82');
  assert.equal(folder.problemsOf('b.yaml'), '');
});

test('a change tells only of what changed', async () => {
  const many = Array.from({ length: 50 }, (_, i) => service(`s${i}`));
  await using folder = await Folder.with({ 'a.yaml': many.join('---\n') });
  const told = folder.changes.length;
  many[7] = service('s7', 81);
  await folder.write('a.yaml', many.join('---\n'));
  await until('the change', () => folder.services.includes('s7:81'));
  const later = folder.changes.slice(told);
  assert.deepEqual(
    later.map(change => change.op === 'upsert' && change.object.metadata.name),
    ['s7'],
  );
});

test('links are followed, also round in a circle', async () => {
  await using folder = await Folder.with({ 'a/a.yaml': service('a') });
  await symlink('..', join(folder.path, 'a', 'up'));
  await symlink(join(folder.path, 'a'), join(folder.path, 'b'));
  await folder.write('c.yaml', service('c'));
  await until('the file beside them', () => folder.services === 'a:80 c:80');
});

test('a folder that is gone keeps what it had until it is back', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a') });
  await rename(folder.path, `${folder.path}-away`);
  await mkdir(folder.path);
  await folder.write('b.yaml', service('b'));
  await until('the new folder', () => folder.services === 'b:80');
  await rm(folder.path, { recursive: true });
  await mkdir(folder.path);
  await folder.write('c.yaml', service('c'));
  await until('the newer folder', () => folder.services === 'c:80');
});

test('no such folder, no source', async () => {
  const { signal } = new AbortController();
  await assert.rejects(directorySource({ folder: '/nowhere/at/all', log }).run(() => {}, signal).synced, /ENOENT/);
  await assert.rejects(directorySource({ folder: import.meta.filename, log }).run(() => {}, signal).synced, /ENOTDIR/);
});

configSourceContract('a directory', async () => {
  const home = await mkdtemp(join(tmpdir(), 'directory-'));
  const folder = join(home, 'mesh');
  const elsewhere = join(home, 'elsewhere');
  await mkdir(folder);
  let now = folder;
  const file = (name: string) => join(now, `${name}.yaml`);
  return {
    source: () => directorySource({ folder, log }),
    put: object => writeFile(file(object.metadata.name), stringify(object)),
    remove: object => rm(file(object.metadata.name)),
    cut: async () => {
      await rename(folder, elsewhere);
      now = elsewhere;
      return () => rename(elsewhere, folder);
    },
    close: () => rm(home, { recursive: true }),
  };
});

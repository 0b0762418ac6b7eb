import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { bounds } from '../../src/bounds.ts';
import { until } from '../support/until.ts';
import { Folder, service } from './folder.ts';

/** Does something as a user from whom files can be kept; root is none. */
async function asUser<T>(work: () => Promise<T>): Promise<T> {
  const root = process.getuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  try {
    return await work();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

test('a file or folder that may not be read is a problem, and what it had stays', async () => {
  await asUser(async () => {
    await using folder = await Folder.with({
      'a.yaml': service('a'),
      'b/b.yaml': service('b'),
      'c.yaml': service('c'),
    });
    assert.equal(folder.services, 'a:80 b:80 c:80');
    await folder.write('a.yaml', service('a', 81));
    await chmod(join(folder.path, 'a.yaml'), 0);
    await chmod(join(folder.path, 'b'), 0);
    await folder.write('c.yaml', service('c', 81));
    await until('the other file', () => folder.services.includes('c:81'));
    await until('the folder', () => folder.problemsOf('b') !== '');
    assert.match(folder.problemsOf('a.yaml'), /^cannot be read: this user may not read it \(EACCES\)$/);
    assert.match(folder.problemsOf('b'), /^cannot be read: this user may not read it \(EACCES\)$/);
    assert.match(folder.services, /^a:8[01] b:80 c:81$/);
    assert.ok([...folder.contents.problems.values()].flat().every(({ severity }) => severity === 'error'));

    await chmod(join(folder.path, 'a.yaml'), 0o600);
    await chmod(join(folder.path, 'b'), 0o700);
    await until('both again', () => folder.contents.problems.size === 0);
    assert.equal(folder.services, 'a:81 b:80 c:81');
  });
});

test('what may not be read from the beginning is a problem', async () => {
  await asUser(async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'unreadable-')), 'config');
    await mkdir(path);
    await writeFile(join(path, 'a.yaml'), service('a'));
    await writeFile(join(path, 'b.yaml'), service('b'));
    await chmod(join(path, 'b.yaml'), 0);
    await using folder = await Folder.over(path);
    assert.equal(folder.services, 'a:80');
    assert.match(folder.problemsOf('b.yaml'), /EACCES/);
  });
});

test('links that lead nowhere or in a circle are problems', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a') });
  await symlink('missing.yaml', join(folder.path, 'nowhere.yaml'));
  await symlink('missing', join(folder.path, 'nowhere'));
  await symlink('notes', join(folder.path, 'notes.txt'));
  await symlink('circle.yaml', join(folder.path, 'circle.yaml'));
  await until('all three', () => folder.contents.problems.size === 3);
  assert.equal(folder.problemsOf('nowhere.yaml'), 'cannot be read: the link leads nowhere (ENOENT)');
  assert.equal(folder.problemsOf('nowhere'), 'cannot be read: the link leads nowhere (ENOENT)');
  assert.equal(folder.problemsOf('circle.yaml'), 'cannot be read: the link leads in a circle (ELOOP)');
  await folder.write('missing.yaml', service('b'));
  await rm(join(folder.path, 'nowhere'));
  await rm(join(folder.path, 'circle.yaml'));
  await until('none', () => folder.services === 'a:80 b:80' && folder.problemsOf('circle.yaml') === '');
  // One of the two names of the file is in force.
  assert.equal(folder.problemsOf('nowhere.yaml'), 'Service/default/b is also in missing.yaml, which is in force');
});

test('a link that turns to nowhere keeps what it led to', async () => {
  await using folder = await Folder.with({ '.there/b.yaml': service('b'), 'a.yaml': service('a') });
  await symlink('.there', join(folder.path, 'link'));
  await folder.write('a.yaml', service('a', 81));
  await until('the link', () => folder.services === 'a:81 b:80');
  await rename(join(folder.path, '.there'), join(folder.path, '.away'));
  await folder.write('a.yaml', service('a', 82));
  await until(
    'the problem, and the other file',
    () => folder.problemsOf('link') !== '' && folder.services.includes('a:82'),
  );
  assert.equal(folder.services, 'a:82 b:80');
});

test('a folder that nothing is read from is told', async () => {
  await using folder = await Folder.with({ 'notes.txt': 'a' });
  const [problem] = [...folder.contents.problems.values()].flat();
  assert.match(problem?.message ?? '', /^nothing is read from this folder: .*\*\.yaml, \*\.yml or \*\.json/);
  assert.equal(problem?.severity, 'warning');
  await folder.write('A.YAML', service('a'));
  await folder.write(
    'b.json',
    JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'b' }, spec: { ports: [{ port: 80 }] } }),
  );
  await until('the files', () => folder.services === 'a:80 b:80');
  assert.equal(folder.contents.problems.size, 0);
});

test('a file that is too large is a problem, and what it had stays', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a'), 'b.yaml': service('b') });
  await truncate(join(folder.path, 'a.yaml'), bounds['file-bytes'].most + 1);
  await until('the problem', () => folder.problemsOf('a.yaml') !== '');
  const { most } = bounds['file-bytes'];
  const reason = `it has ${most + 1} bytes, more than the ${most} that are read: split it\n1 of its objects`;
  assert.ok(folder.problemsOf('a.yaml').startsWith(reason), folder.problemsOf('a.yaml'));
  assert.equal(folder.services, 'a:80 b:80');
  await folder.write('a.yaml', service('a', 81));
  await until('the file', () => folder.services === 'a:81 b:80');
});

test('what met too many open files is read again', async () => {
  const path = await mkdtemp(join(tmpdir(), 'unreadable-'));
  await mkdir(join(path, 'config'));
  for (let i = 0; i < 50; i++) await writeFile(join(path, 'config', `${i}.yaml`), service(`s${i}`));
  const { stdout } = await promisify(execFile)('sh', [
    '-c',
    `ulimit -n 40 && exec "${process.execPath}" "${join(import.meta.dirname, 'few-files.ts')}" "${join(path, 'config')}"`,
  ]);
  const [before, failing, after] = stdout.trim().split('\n');
  assert.equal(before, '50 0', 'as long as files can be opened');
  assert.match(failing ?? '', /^50 [1-9]\d*$/, 'without one left to open');
  assert.equal(after, '51 0', 'and when there are some again, though no event says so');
  await rm(path, { recursive: true });
});

test('a large file holds nothing else up', async () => {
  await using folder = await Folder.with({ 'a.yaml': service('a') });
  const used = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  // In CPU time: what else the machine does is no one's fault here.
  const began = used();
  let last = began;
  let longest = 0;
  const beat = setInterval(() => {
    longest = Math.max(longest, used() - last);
    last = used();
  }, 1);
  const config = (i: number) =>
    `apiVersion: example.com/v1\nkind: Other\nmetadata: {name: o${i}}\nspec: {a: [b, c, d]}\n`;
  const routes = (i: number) => `  - match: [{uri: {prefix: /${i}}}]\n    route: [{destination: {host: a}}]\n`;
  const many = Array.from({ length: 20_000 }, (_, i) => config(i)).join('---\n');
  const long = Array.from({ length: 20_000 }, (_, i) => routes(i)).join('');
  await folder.write(
    'b.yaml',
    `${many}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata:\n${long}---\n${service('b')}`,
  );
  await until('its end', () => folder.services === 'a:80 b:80');
  clearInterval(beat);
  const all = used() - began;
  assert.ok(longest < all / 3, `others wait for ${longest} ms of ${all}`);
});

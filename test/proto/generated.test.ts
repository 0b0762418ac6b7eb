import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { goMissing } from './go.ts';

const repository = join(import.meta.dirname, '../..');

/** The files below a folder with their texts. */
function contents(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => /\.(ts|yaml)$/.test(file));
  return new Map(files.sort().map(file => [file, readFileSync(join(folder, file), 'utf8')]));
}

test('npm run gen gives the bundles, the types and the CRDs that are checked in', { skip: goMissing }, t => {
  const folder = mkdtempSync(join(tmpdir(), 'pilotlight-gen-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const run = spawnSync(join(repository, 'proto/gen.sh'), [folder], { encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  for (const file of ['bundle.json', 'extensions.json', 'istiod-packages.txt'])
    assert.ok(
      readFileSync(join(folder, file), 'utf8') === readFileSync(join(repository, 'proto', file), 'utf8'),
      `proto/${file} is old: npm run gen`,
    );
  for (const [made, checkedIn] of [
    ['generated', 'src/proto/generated'],
    ['crds', 'deploy/crds'],
  ] as const) {
    const before = contents(join(repository, checkedIn));
    const after = contents(join(folder, made));
    assert.deepEqual([...after.keys()], [...before.keys()]);
    for (const [file, text] of after) assert.ok(text === before.get(file), `${checkedIn}/${file} is old: npm run gen`);
  }
});

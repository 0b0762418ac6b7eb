import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { needsGo } from './go.ts';

const repository = join(import.meta.dirname, '../..');

/** The files below a folder with their texts. */
function contents(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'));
  return new Map(files.sort().map(file => [file, readFileSync(join(folder, file), 'utf8')]));
}

test('npm run gen gives the bundle and the types that are checked in', t => {
  if (!needsGo(t)) return;
  const folder = mkdtempSync(join(tmpdir(), 'pilotlight-gen-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const run = spawnSync(join(repository, 'proto/gen.sh'), [join(folder, 'bundle.json'), join(folder, 'generated')], {
    encoding: 'utf8',
  });
  assert.equal(run.status, 0, run.stderr);
  const bundle = readFileSync(join(folder, 'bundle.json'), 'utf8');
  assert.ok(
    bundle === readFileSync(join(repository, 'proto/bundle.json'), 'utf8'),
    'proto/bundle.json is old: npm run gen',
  );
  const checkedIn = contents(join(repository, 'src/proto/generated'));
  const made = contents(join(folder, 'generated'));
  assert.deepEqual([...made.keys()], [...checkedIn.keys()]);
  for (const [file, text] of made)
    assert.ok(text === checkedIn.get(file), `src/proto/generated/${file} is old: npm run gen`);
});

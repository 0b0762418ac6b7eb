import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { installation } from '../../src/cli/install.ts';
import { repository } from '../cli/program.ts';

const run = promisify(execFile);
const cache = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');

interface Named {
  readonly kind?: unknown;
  readonly metadata?: { readonly name?: unknown };
}

const byName = (objects: readonly unknown[]): ReadonlyMap<string, unknown> =>
  new Map(objects.map(object => [`${(object as Named).kind} ${(object as Named).metadata?.name}`, object]));

test('pilotlight install prints what kubectl makes of deploy/', async () => {
  const kubectl = join(cache, 'bin', 'kubectl');
  const { stdout } = await run(kubectl, ['kustomize', join(repository, 'deploy')], { maxBuffer: 1 << 26 });
  const expected = byName(parseAllDocuments(stdout).map(document => document.toJS()));
  const printed = byName(await installation(undefined));
  assert.ok(expected.size > 20);
  assert.deepEqual([...printed.keys()].sort(), [...expected.keys()].sort());
  for (const [name, object] of printed) assert.deepEqual(object, expected.get(name), name);
});

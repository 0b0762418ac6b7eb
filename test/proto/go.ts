import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';

const found = spawnSync('go', ['version']).status === 0;

/** Whether Go is there. Without it the test is skipped, or fails where everything has to run (CI=true). */
export function needsGo(t: TestContext): boolean {
  if (found) return true;
  if (process.env['CI'] === 'true') throw new Error('Go is not installed, and CI=true leaves nothing out');
  t.skip('Go is not installed: it makes proto/bundle.json and is the reference for JSON');
  return false;
}

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { envoyMissing } from '../support/envoy.ts';
import { steps } from './steps.ts';

test('the demo shows the effect of every step and takes everything away', {
  skip: await envoyMissing(),
  timeout: 3_600_000,
}, async () => {
  const demo = spawn(process.execPath, [join(import.meta.dirname, 'demo.ts'), '--once'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  after(() => demo.kill());
  const [out, err, [code]] = await Promise.all([text(demo.stdout), text(demo.stderr), once(demo, 'exit')]);
  assert.equal(code, 0, err + out);
  assert.deepEqual(
    [...out.matchAll(/^seen: (.*)$/gm)].map(([, title]) => title),
    steps.map(({ title }) => title),
  );
  const [, file = ''] = /edit (\S+),/.exec(out) ?? [];
  await assert.rejects(access(file), 'the folder is still there');
});

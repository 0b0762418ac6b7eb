import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { clientOf } from './client-of.ts';

/** Answers with a line, and with another one a moment later; a file tells that this one has gone out. */
const server = `
  const { writeFileSync } = require('node:fs');
  const { createServer } = require('node:http');
  createServer((_, response) => {
    response.write('first');
    setTimeout(() => response.write(' second', () => writeFileSync(process.argv[1], '')), 300);
  }).listen(0, '127.0.0.1', function () { process.send(this.address().port); });
`;

test('an answer is not called silent for what came while this process was kept from reading', async () => {
  const written = join(await mkdtemp(join(tmpdir(), 'silence-')), 'written');
  const child = spawn('node', ['-e', server, written], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  try {
    const [port] = await once(child, 'message');
    const client = await clientOf(`http://127.0.0.1:${port}`);
    const idleMs = 2_000;
    const response = await client.open('/', { idleMs });
    let heard = '';
    for await (const chunk of response) {
      heard += chunk;
      if (heard.includes('second')) break;
      const until = performance.now() + idleMs + 100;
      while (performance.now() < until || !existsSync(written))
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
    assert.equal(heard, 'first second');
  } finally {
    child.kill();
  }
});

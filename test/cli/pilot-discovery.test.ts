import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

const MAIN = join(import.meta.dirname, '../../src/pilot-discovery.ts');
const run = promisify(execFile);

describe("pilot-discovery request, which istioctl bug-report runs in the control plane's container", () => {
  let pages: Server;
  let at: string;
  const asked: string[] = [];

  before(async () => {
    pages = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.writeHead({ '/debug/none': 404, '/debug/refused': 403 }[request.url ?? ''] ?? 200).end('a page');
    });
    pages.listen(0, '127.0.0.1');
    await once(pages, 'listening');
    at = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  });
  after(() => pages.close());

  const request = (...args: readonly string[]): Promise<{ stdout: string; stderr: string; code?: number }> =>
    run(process.execPath, [MAIN, ...args]).catch(error => error);

  test('prints the page, one that is not there too', async () => {
    for (const path of ['debug/syncz?pretty', 'debug/none']) {
      const { stdout, code } = await request('request', 'GET', `${at}/${path}`);
      assert.deepEqual([stdout, code], ['a page\n', undefined], path);
    }
    assert.deepEqual(asked.splice(0), ['GET /debug/syncz?pretty', 'GET /debug/none']);
  });

  test('says what failed', async () => {
    const refused = await request('request', 'GET', `${at}/debug/refused`);
    assert.deepEqual(
      [refused.code, refused.stderr],
      [1, 'pilot-discovery: received unsuccessful status code 403: a page\n'],
    );
    const nothing = await request('discovery');
    assert.deepEqual([nothing.code, nothing.stderr.startsWith('pilot-discovery: the usage is: ')], [1, true]);
  });
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AdsClient } from '../support/ads-client.ts';
import { freePorts } from '../support/free-ports.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';

interface Scope {
  readonly name: string;
  readonly description: string;
  readonly output_level: string;
  readonly stack_trace_level: string;
  readonly log_callers: boolean;
}

describe('levels of the log, as istioctl admin log shows and sets them', () => {
  let serve: Serve;
  let at: string;
  before(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'control-z-'));
    process.once('exit', () => rmSync(folder, { recursive: true }));
    at = `127.0.0.1:${await freePorts()}`;
    serve = await startServe(['--config', folder, '--controlz-address', at]);
  });
  after(() => serve?.stop());

  const ask = (path: string): Promise<Response> => fetch(`http://${at}${path}`);
  const scopes = async (): Promise<readonly Scope[]> => (await (await ask('/scopej')).json()) as Scope[];
  const put = (name: string, body: unknown): Promise<Response> =>
    fetch(`http://${at}/scopej/${name}`, {
      method: 'PUT',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

  test('the scopes, by their names', async () => {
    const all = await scopes();
    assert.deepEqual(
      all.map(({ name }) => name),
      ['ads', 'ca', 'default', 'file', 'kube', 'model'],
    );
    for (const scope of all) {
      assert.deepEqual(Object.keys(scope), ['name', 'description', 'output_level', 'stack_trace_level', 'log_callers']);
      assert.equal(scope.output_level, 'warn');
    }
    assert.deepEqual(await (await ask('/scopej/')).json(), all);
    assert.deepEqual(await (await ask('/scopej/ads')).json(), all[0]);
    assert.equal((await fetch(`http://${at}/scopej/ads`, { method: 'HEAD' })).status, 200);
    assert.match(await (await ask('/')).text(), /^ads +warn /);
  });

  test('a level is set for one scope, at once', async () => {
    const connect = async (name: string): Promise<void> => {
      const proxy = new AdsClient(serve.xds, 'delta', { id: `sidecar~10.0.0.1~${name}.shop~x` });
      proxy.subscribe('cluster');
      await proxy.next('cluster');
      proxy.close();
    };
    await connect('quiet');
    assert.equal((await put('ads', { name: 'ads', output_level: 'info' })).status, 202);
    await connect('loud');
    await until('the line', () => serve.log().includes('loud.shop'));
    const line = serve
      .log()
      .split('\n')
      .find(text => text.includes('loud.shop'));
    assert.equal((JSON.parse(line ?? '{}') as { scope?: string }).scope, 'ads');
    assert.ok(!serve.log().includes('quiet.shop'));
    assert.deepEqual(
      (await scopes()).map(({ output_level: level }) => level),
      ['info', 'warn', 'warn', 'warn', 'warn', 'warn'],
    );
    assert.equal((await put('ads', { output_level: 'none' })).status, 202);
    assert.equal((await scopes())[0]?.output_level, 'none');
    assert.equal((await put('ads', { stack_trace_level: 'debug' })).status, 202);
    assert.equal((await scopes())[0]?.output_level, 'none');
  });

  test('the other topics, and what there is not', async () => {
    const version = (await (await ask('/versionj')).json()) as object;
    assert.deepEqual(Object.keys(version), ['version', 'revision', 'golang_version', 'status', 'tag']);
    assert.deepEqual(await (await ask('/versionj/')).json(), version);
    const { pid, uid } = (await (await ask('/procj/')).json()) as { pid: number; uid: number };
    assert.deepEqual([pid, uid], [serve.process.pid, process.getuid?.()]);
    for (const path of ['/envj', '/memj/', '/signalj/SIGUSR1', '/debug']) {
      const answer = await ask(path);
      assert.equal(answer.status, 404);
      assert.equal(await answer.text(), `404 page not found\nThere is no page ${path}; / lists them.\n`);
    }
  });

  test('what is mistyped', async () => {
    for (const [answer, said] of [
      [await put('adz', { output_level: 'info' }), /unknown scope name: adz; there are ads, ca/],
      [await ask('/scopej/constructor'), /unknown scope name/],
      [await put('ads', { output_level: 'loud' }), /none, error, warn, info, debug/],
      [await put('ads', { output_level: 'toString' }), /none, error/],
      [await put('ads', '{'), /unable to decode request/],
      [await put('ads', '[]'), /unable to decode request/],
      [await put('ads', '"info"'), /unable to decode request/],
      [await put('ads', 'null'), undefined],
    ] as const) {
      assert.equal(answer.status, said ? 400 : 202);
      if (said) assert.match(await answer.text(), said);
    }
  });
});

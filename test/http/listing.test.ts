import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { status } from '../../src/grpc/status.ts';
import { main } from '../cli/program.ts';
import { AdsClient } from '../support/ads-client.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';

describe('a control plane that is still listing, asked as istioctl and Kiali ask', () => {
  let serve: ChildProcess;
  let xds: string;
  let http: string;
  // It answers nobody.
  const apiServer = createServer(() => {});
  const folder = mkdtempSync(join(tmpdir(), 'listing-'));
  before(async () => {
    apiServer.listen(0, '127.0.0.1');
    await once(apiServer, 'listening');
    const { port } = apiServer.address() as AddressInfo;
    const kubeconfig = join(folder, 'kubeconfig');
    const named = { name: 'x', cluster: { server: `http://127.0.0.1:${port}` } };
    const context = { name: 'x', context: { cluster: 'x', user: 'x' } };
    const users = [{ name: 'x', user: {} }];
    writeFileSync(
      kubeconfig,
      JSON.stringify({ clusters: [named], contexts: [context], users, 'current-context': 'x' }),
    );
    const free = await freePorts(2);
    [xds, http] = [`127.0.0.1:${free}`, `127.0.0.1:${free + 1}`];
    const args = [
      'serve',
      '--kubeconfig',
      kubeconfig,
      '--tls-address',
      '',
      '--xds-address',
      xds,
      '--http-address',
      http,
    ];
    serve = spawn(process.execPath, [main, ...args], { stdio: 'ignore' });
    await until('it to answer', async () => (await fetch(`http://${http}/live`)).ok);
  });
  after(async () => {
    serve?.kill('SIGKILL');
    apiServer.closeAllConnections();
    apiServer.close();
    rmSync(folder, { recursive: true });
  });

  for (const type of ['istio.io/debug/syncz', 'istio.io/debug/config_dump', 'istio.io/debug', 'cluster'])
    test(`${type} over xDS: istiod's code and words, then what it waits for`, async () => {
      const client = new AdsClient(xds, 'sotw', { id: 'sidecar~10.9.9.9~test-1.default~x' });
      after(() => client.close());
      client.subscribe(type, type === 'istio.io/debug' ? ['list'] : []);
      const { code, details } = await client.ended;
      assert.equal(code, status.UNAVAILABLE);
      assert.equal(
        details,
        'server is not ready to serve discovery information: not every kind of object has been listed yet',
      );
    });

  const pages: readonly (readonly [page: string, status: number, body: RegExp])[] = [
    ['/ready', 503, /^not ready: not every kind of object has been listed yet/],
    ['/version', 200, /^\d+\.\d+\.\d+-/],
    ['/debug/syncz', 200, /^\[\]\n$/],
    ['/debug/connections', 200, /"totalClients": 0/],
    ['/debug/list', 200, /"syncz"/],
    ['/debug/registryz', 503, /^not every kind of object has been listed yet\n$/],
    ['/debug/configz', 503, /^not every kind/],
    ['/debug/mesh', 503, /^not every kind/],
    ['/debug/clusterz', 503, /^not every kind/],
    ['/debug/config_dump?proxyID=web-1.shop', 404, /^Proxy not connected to this Pilot instance\./],
    ['/metrics', 200, /^pilot_services 0$/m],
  ];
  for (const [page, code, body] of pages)
    test(`${page} answers ${code}`, async () => {
      const answer = await fetch(`http://${http}${page}`);
      assert.equal(answer.status, code);
      assert.match(await answer.text(), body);
    });
});

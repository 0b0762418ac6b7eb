import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AdsClient } from '../support/ads-client.ts';
import { OidcIssuer } from '../support/oidc-issuer.ts';
import { type Serve, startServe } from '../support/serve.ts';

/** This machine as others reach it: who comes by this address is not of this machine, as far as a server can tell. */
const elsewhere = Object.values(networkInterfaces())
  .flatMap(list => list ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

describe('who may have which page', { skip: !elsewhere && 'this machine has no address but loopback' }, () => {
  let serve: Serve;
  let issuer: OidcIssuer;
  const tokens = new Map<string, string>();
  const proxies: AdsClient[] = [];
  before(async () => {
    issuer = await OidcIssuer.start();
    const folder = mkdtempSync(join(tmpdir(), 'debug-access-'));
    process.once('exit', () => rmSync(folder, { recursive: true }));
    const rule = JSON.stringify({ issuer: issuer.url, audiences: ['istio-ca'] });
    const options = ['--jwt-rule', rule, '--jwks-allow', '127.0.0.0/8', '--debug-namespaces', 'other-ops, ops'];
    serve = await startServe(['--config', folder, ...options], { host: '0.0.0.0' });
    for (const node of ['web-1.shop', 'web-1.bank']) {
      const proxy = new AdsClient(serve.xds, 'delta', { id: `sidecar~10.0.0.1~${node}~shop.svc.cluster.local` });
      proxies.push(proxy);
      proxy.subscribe('cluster');
      await proxy.next('cluster');
    }
    for (const account of ['istio-system/default', 'ops/any', 'shop/web', 'bank/web', 'istio-system-2/default'])
      tokens.set(account, await issuer.token(...(account.split('/') as [string, string])));
    tokens.set('another audience', await issuer.token('istio-system', 'default', 'vault'));
    tokens.set('garbage', 'garbage');
    tokens.set('nothing', '');
  });
  after(async () => {
    for (const proxy of proxies) proxy.close();
    await serve?.stop();
    issuer?.close();
  });

  const port = (): string => serve.http.split(':').at(-1) ?? '';

  /** Asks from this machine, or from elsewhere with a token. */
  async function ask(path: string, from: 'here' | { readonly token: string | undefined }, method = 'GET') {
    const token = from === 'here' ? undefined : from.token;
    const host = from === 'here' ? '127.0.0.1' : elsewhere;
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await fetch(`http://${host}:${port()}${path}`, { method, headers });
    return { status: answer.status, body: await answer.text(), asks: answer.headers.get('www-authenticate') };
  }

  const PROXY_PAGES = ['/debug/config_dump', '/debug/edsz', '/debug/ndsz'];

  test('callers and pages', async () => {
    const index = (await ask('/debug', 'here')).body;
    const pages = [...index.matchAll(/^(\/debug\/\S+)/gm)].map(([, path = '']) => path);
    for (const page of PROXY_PAGES) assert.ok(pages.includes(page), `${page} is in the index`);
    const ofOne = ['/debug/ecdsz', '/debug/inject', '/debug/injection', '/debug/krtz', '/debug/sidecarz'];
    const meshPages = pages.filter(path => ![...PROXY_PAGES, ...ofOne].includes(path));
    assert.ok(meshPages.length >= 4);
    const proxyPages = (query: string): readonly string[] => PROXY_PAGES.map(path => `${path}${query}`);
    const groups: Readonly<Record<string, readonly string[]>> = {
      open: ['/ready', '/ready?verbose', '/live', '/metrics'],
      index: ['/debug'],
      mesh: meshPages,
      shop: proxyPages('?proxyID=web-1.shop'),
      bank: proxyPages('?proxyID=web-1.bank'),
      unnamed: proxyPages(''),
    };
    /** By caller the status of each group of pages. */
    const all = { index: 200, mesh: 200, shop: 200, bank: 200, unnamed: 400 };
    const none = { index: 401, mesh: 401, shop: 401, bank: 401, unnamed: 401 };
    const table: Readonly<Record<string, Readonly<Record<string, number>>>> = {
      here: all,
      'istio-system/default': all,
      'ops/any': all,
      'shop/web': { ...all, mesh: 403, bank: 404 },
      'bank/web': { ...all, mesh: 403, shop: 404 },
      'istio-system-2/default': { ...all, mesh: 403, shop: 404, bank: 404 },
      nothing: none,
      garbage: none,
      'another audience': none,
    };
    let compared = 0;
    for (const [caller, expected] of Object.entries(table))
      for (const [group, paths] of Object.entries(groups))
        for (const path of paths) {
          const answer = await ask(path, caller === 'here' ? caller : { token: tokens.get(caller) });
          const wanted = group === 'open' ? 200 : expected[group];
          assert.equal(answer.status, wanted, `${caller} asks for ${path}: ${answer.body}`);
          assert.equal(answer.asks, wanted === 401 ? 'Bearer' : null, path);
          if (wanted === 401) assert.equal(answer.body, 'authentication required\n');
          if (wanted === 403) {
            const identity = `spiffe://cluster.local/ns/${caller.replace('/', '/sa/')}`;
            assert.equal(answer.body, `the debug info is not available for current identity: "${identity}"\n`);
          }
          if (wanted === 404 || wanted === 400) {
            const istiods =
              wanted === 404 ? /^Proxy not connected to this Pilot/ : /^You must provide a proxyID in the query/;
            assert.match(answer.body, istiods);
            const foreign = caller === 'shop/web' ? 'web-1.bank' : caller === 'bank/web' ? 'web-1.shop' : undefined;
            if (foreign) assert.ok(!answer.body.includes(foreign), 'what others have is not named');
          }
          compared++;
        }
    assert.ok(compared > 150);
    assert.match(serve.log(), /a page was refused/);
    for (const token of tokens.values()) assert.ok(token.length < 20 || !serve.log().includes(token));
  });

  test('what is not said of a page that there is not, or of a method that it has not', async () => {
    const from = { token: tokens.get('shop/web') };
    assert.equal((await ask('/debug/nothing', from)).status, 404);
    assert.equal((await ask('/debug/syncz', { token: undefined }, 'HEAD')).status, 401);
    assert.equal((await ask('/debug/syncz', { token: undefined }, 'DELETE')).status, 405);
  });
});

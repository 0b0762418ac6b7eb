import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { toCamelJson } from '../../src/proto/json.ts';
import { AdsClient } from '../support/ads-client.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';
import { connectProxies, DUMPS, differences, keysLacking, PAGES, type Recorded, settled } from './pages.ts';

/** What istiod answered on the same mesh, which test/system/istioctl.test.ts writes. */
const recorded = JSON.parse(readFileSync(join(import.meta.dirname, 'istiod-pages.json'), 'utf8')) as Recorded;

describe("istiod's debug pages", () => {
  let serve: Serve;
  const proxies: AdsClient[] = [];
  before(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pages-'));
    process.once('exit', () => rmSync(folder, { recursive: true }));
    cpSync(join(import.meta.dirname, 'mesh.yaml'), join(folder, 'mesh.yaml'));
    serve = await startServe(folder);
    proxies.push(...(await connectProxies(serve.xds)));
    await until('all to be acknowledged', async () => !(await (await ask('syncz')).text()).includes('STALE'));
  });
  after(async () => {
    for (const proxy of proxies) proxy.close();
    await serve?.stop();
  });
  const ask = (page: string): Promise<Response> => fetch(`http://${serve.http}/debug/${page}`);

  async function answerTo(page: string): Promise<unknown> {
    const answer = await ask(page);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    return answer.json();
  }

  for (const page of PAGES)
    test(page, async () => {
      assert.ok(Object.hasOwn(recorded.pages, page));
      assert.deepEqual(differences(page, recorded.pages[page], settled(await answerTo(page)), 'files'), []);
    });

  for (const page of DUMPS)
    test(page, async () => {
      assert.deepEqual(keysLacking(recorded.keys[page] ?? assert.fail('not recorded'), await answerTo(page)), []);
    });

  test('what is made part by part is what the messages say', async () => {
    const name = 'details-v1.default';
    const asking = new AdsClient(serve.xds, 'sotw', { id: 'sidecar~10.9.9.9~test-1.default~x' });
    asking.subscribe('istio.io/debug/config_dump', [name]);
    const { resources } = await asking.next();
    asking.close();
    const page = (await (await ask(`config_dump?proxyID=${name}`)).json()) as { configs: unknown[] };
    assert.equal(resources.length, 7);
    assert.deepEqual(
      page.configs,
      resources.map(({ any }) => toCamelJson('google.protobuf.Any', any)),
    );
    assert.ok(JSON.stringify(page).includes('"virtualHosts":[{'));
  });

  test('objects are in the order of their kinds, namespaces and names', async () => {
    const objects = (await answerTo('configz')) as { kind: string; metadata: { namespace: string; name: string } }[];
    const names = objects.map(({ kind, metadata: { namespace, name } }) => `${kind}/${namespace}/${name}`);
    assert.deepEqual(names, names.toSorted());
    assert.ok(new Set(objects.map(({ metadata }) => metadata.namespace)).size > 2);
  });

  test('most pages have something to compare', () => {
    const sizes = PAGES.map(page => JSON.stringify(recorded.pages[page]).length);
    assert.ok(sizes.filter(size => size > 300).length > 12);
    assert.ok(DUMPS.filter(page => (recorded.keys[page]?.length ?? 0) > 3).length > 3);
  });

  /** Status and the beginning of the answer. */
  const others: readonly (readonly [page: string, status: number, body: RegExp])[] = [
    ['adsz?push=true', 200, /^Pushed to 4 servers\n$/],
    [
      'adsz?proxyID=nobody',
      404,
      /^Proxy not connected to this Pilot instance. It may be connected to another instance.\n/,
    ],
    ['telemetryz?proxyID=nobody', 404, /^Proxy not connected/],
    ['sidecarz', 400, /^You must provide a proxyID in the query string\n/],
    ['ecdsz', 400, /^You must provide a proxyID in the query string\n/],
    ['cachez', 200, /^\{\}/],
    ['cachez?sizes=true', 200, /total/],
    ['cachez?clear=true', 200, /no cache/],
    ['krtz', 404, /stages/],
    ['push_status', 200, /^\{/],
    ['cdsz', 404, /^404 page not found\nThere is no page \/debug\/cdsz; \/debug lists them\.\n$/],
    ['pprof/heap', 404, /^404 page not found\n/],
  ];
  for (const [page, status, body] of others)
    test(`${page} answers ${status}`, async () => {
      const answer = await ask(page);
      assert.equal(answer.status, status);
      assert.match(await answer.text(), body);
    });

  test('the pages, in a browser and in a terminal', async () => {
    const browser = await fetch(`http://${serve.http}/debug`, { headers: { accept: 'text/html,*/*;q=0.8' } });
    assert.equal(browser.headers.get('content-type'), 'text/html; charset=utf-8');
    const html = await browser.text();
    const listed = (await answerTo('list')) as string[];
    for (const name of listed.filter(each => !each.includes('?')))
      assert.ok(html.includes(`<a href="/debug/${name}">`), name);
    assert.ok(!/<td>[^<]*[&?]\w+=[^<]*&(?!amp;|lt;|gt;|quot;)/.test(html));
    const terminal = await fetch(`http://${serve.http}/debug`);
    assert.equal(terminal.headers.get('content-type'), 'text/plain; charset=utf-8');
    const echo = await fetch(`http://${serve.http}/debug/%3Cscript%3E`);
    assert.equal(echo.headers.get('x-content-type-options'), 'nosniff');
  });

  test('/version is what istioctl takes apart', async () => {
    const text = await (await fetch(`http://${serve.http}/version`)).text();
    assert.match(text, /^\d+\.\d+\.\d+-pilotlight-Clean$/);
  });
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bounds } from '../../src/bounds.ts';
import { type StatusError, status } from '../../src/grpc/status.ts';
import { ConfigStatus } from '../../src/proto/generated/envoy/service/status/v3.ts';
import { decode } from '../../src/proto/message.ts';
import { struct } from '../../src/proto/wellknown.ts';
import { type Asking, InquiryStreams } from '../../src/xds/inquiry.ts';
import { AdsClient } from '../support/ads-client.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';

const DEBUG = 'istio.io/debug';
const SYNCZ = `${DEBUG}/syncz`;
const CONFIG_DUMP = `${DEBUG}/config_dump`;

/** The Node of istioctl. */
const node = {
  id: 'sidecar~10.9.9.9~test-1.default~default.svc.cluster.local',
  metadata: struct({ GENERATOR: 'event', NAMESPACE: 'istio-system', SERVICE_ACCOUNT: 'default' }),
};

describe('what istioctl asks over xDS', () => {
  let serve: Serve;
  /** Has a pod in the mesh that may be of another replica. */
  let haveReplica: (labels?: object, phase?: string, name?: string) => void;
  const proxies: AdsClient[] = [];
  before(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'debug-xds-'));
    process.once('exit', () => rmSync(folder, { recursive: true }));
    haveReplica = (labels = {}, phase = 'Running', name = 'istiod-2') => {
      const metadata = { name, namespace: 'istio-system', labels: { app: 'istiod', ...labels } };
      const pods = [{ metadata: { name: 'web.2', namespace: 'shop' } }, { metadata, status: { phase } }];
      const texts = pods.map(pod => JSON.stringify({ apiVersion: 'v1', kind: 'Pod', ...pod }));
      writeFileSync(join(folder, 'pods.yaml'), texts.join('\n---\n'));
    };
    haveReplica();
    serve = await startServe(folder, { host: '0.0.0.0', env: { POD_NAME: 'istiod-1' } });
    for (const name of ['web-1.shop', 'web-10.shop', 'web-1.bank']) {
      const metadata = struct({ CLUSTER_ID: 'Kubernetes', ISTIO_VERSION: '1.31.0' });
      const proxy = new AdsClient(serve.xds, 'delta', { id: `sidecar~10.0.0.1~${name}~x`, metadata });
      proxies.push(proxy);
      proxy.autoAck = name !== 'web-1.bank';
      proxy.subscribe('cluster');
      const clusters = await proxy.next('cluster');
      if (!proxy.autoAck) proxy.nack(clusters, 'no such clusters');
    }
    await until('the rejection', async () => (await page('/debug/syncz')).includes('no such clusters'));
  });
  after(async () => {
    for (const proxy of proxies) proxy.close();
    await serve?.stop();
  });

  const port = (address: string): string => address.split(':').at(-1) ?? '';
  const page = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port(serve.http)}${path}`)).text();

  const open = (protocol: 'sotw' | 'delta' = 'sotw', host = '127.0.0.1'): AdsClient => {
    const client = new AdsClient(`${host}:${port(serve.xds)}`, protocol, node);
    after(() => client.close());
    return client;
  };

  async function ask(type: string, names: readonly string[] = [], protocol: 'sotw' | 'delta' = 'sotw') {
    const client = open(protocol);
    client.subscribe(type, names);
    const response = await client.next(type);
    client.close();
    return response;
  }

  for (const protocol of ['sotw', 'delta'] as const)
    test(`how proxies are doing, and who says so: ${protocol}`, async () => {
      const { resources, identifier } = await ask(SYNCZ, [], protocol);
      const configs = resources.map(({ any }) => {
        assert.equal(any.type_url, 'type.googleapis.com/envoy.service.status.v3.ClientConfig');
        return decode('envoy.service.status.v3.ClientConfig', any.value ?? Buffer.alloc(0));
      });
      assert.deepEqual(
        configs.map(({ node, generic_xds_configs: types = [] }) => [
          node?.id,
          types.map(t => [t.config_status, t.error_state?.details]),
        ]),
        [
          ['web-1.shop', [[1, undefined]]],
          ['web-10.shop', [[1, undefined]]],
          ['web-1.bank', [[4, 'no such clusters']]],
        ],
      );
      const { Component, ID, Info } = JSON.parse(identifier) as { Component: string; ID: string; Info: object };
      assert.equal(Component, 'istiod');
      assert.ok(ID);
      assert.deepEqual(Object.keys(Info), ['version', 'revision', 'golang_version', 'status', 'tag']);
    });

  test('secrets that were asked for and not given are not sent, though the question was answered', async () => {
    const proxy = new AdsClient(`127.0.0.1:${port(serve.xds)}`, 'sotw', { id: 'sidecar~10.0.0.1~asks.vault~x' });
    after(() => proxy.close());
    proxy.autoAck = true;
    proxy.subscribe('secret', ['default']);
    assert.deepEqual((await proxy.next('secret')).resources, []);
    const state = await until('the answer', async () => {
      const rows = JSON.parse(await page('/debug/syncz?namespace=vault')) as {
        types: { state: string; acked?: string }[];
      }[];
      return rows[0]?.types[0]?.acked && rows[0].types[0].state;
    });
    assert.equal(state, 'NOT SENT');
    const config = (await ask(SYNCZ)).resources
      .map(({ any }) => decode('envoy.service.status.v3.ClientConfig', any.value ?? Buffer.alloc(0)))
      .find(({ node }) => node?.id === 'asks.vault');
    assert.equal(config?.generic_xds_configs?.[0]?.config_status, ConfigStatus.NOT_SENT);
    proxy.close();
    await until('it to be gone', async () => (await page('/debug/syncz?namespace=vault')) === '[]\n');
  });

  test('what a proxy holds, as Envoy dumps it', async () => {
    const { resources, identifier } = await ask(CONFIG_DUMP, ['web-1.shop']);
    // By it `istioctl x internal-debug --all` tells replicas apart, whatever it asks for.
    for (const text of [identifier, (await ask(DEBUG, ['mesh'])).identifier])
      assert.equal((JSON.parse(text) as { Component: string }).Component, 'istiod');
    // What all answer alike is printed once where it is nobody's.
    assert.equal((await ask(DEBUG, ['list'])).identifier, '');
    assert.deepEqual(
      resources.map(({ any }) => any.type_url?.split('.').at(-1)),
      ['Bootstrap', 'Clusters', 'Listeners', 'ScopedRoutes', 'Routes', 'Secrets', 'Ecds'].map(n => `${n}ConfigDump`),
    );
    const { dynamic_active_clusters: clusters = [] } = decode(
      'envoy.admin.v3.ClustersConfigDump',
      resources[1]?.any.value ?? Buffer.alloc(0),
    );
    assert.ok(clusters.length > 1);
    for (const names of [[], ['nobody.shop'], ['web-1.shop', 'web-1.bank']])
      assert.deepEqual((await ask(CONFIG_DUMP, names)).resources, [], names.join());
  });

  test('a pod whose proxy another replica may have: the sentence by which istioctl asks the next one', async () => {
    const others = async (): Promise<string> => {
      const { resources } = await ask(CONFIG_DUMP, ['web.2.shop']);
      return resources.map(({ any }) => Buffer.from(any.value ?? '').toString()).join();
    };
    assert.equal(await others(), '', 'of no revision');
    for (const [revision, phase, name] of [
      ['canary', 'Running', 'istiod-2'],
      ['default', 'Succeeded', 'istiod-2'],
      // Was asked before.
      ['default', 'Running', 'istiod-0'],
    ] as const) {
      haveReplica({ 'istio.io/rev': 'default' });
      const sentence = await until('the other replica', others);
      assert.match(sentence, /^Proxy not connected to this Pilot instance\. /);
      for (const pod of ['web.2.bank', 'web.2']) assert.deepEqual((await ask(CONFIG_DUMP, [pod])).resources, []);
      haveReplica({ 'istio.io/rev': revision }, phase, name);
      await until('it to be none', async () => (await others()) === '');
    }
  });

  /** What istioctl looks for in the bytes. */
  const sentences: readonly (readonly [string, RegExp])[] = [
    ['edsz', /^You must provide a proxyID in the query string\n/],
    ['config_dump', /^You must provide a proxyID in the query string\n/],
    ['edsz?proxyID=x.y', /^Proxy not connected to this Pilot instance. It may be connected to another instance.\n/],
    ['nothing', /^404 page not found\n$/],
    ['../metrics', /^404 page not found\n$/],
    ['', /^404 page not found\n$/],
  ];
  for (const [name, expected] of sentences)
    test(`the sentence for '${name}'`, async () => {
      const { resources } = await ask(DEBUG, [name]);
      assert.match(Buffer.from(resources[0]?.any.value ?? '').toString(), expected);
    });

  test('a proxy by a part of its name: the whole name counts first', async () => {
    const found = async (wanted: string): Promise<number> => (await ask(CONFIG_DUMP, [wanted])).resources.length;
    assert.deepEqual(await Promise.all(['web-1.shop', '10.sho', 'web', '11.shop'].map(found)), [7, 7, 7, 0]);
  });

  test('exactly one page at a time', async () => {
    for (const names of [[], ['syncz', 'edsz']]) {
      const client = open();
      client.subscribe(DEBUG, names);
      const { code, details } = await client.ended;
      assert.deepEqual([code, details], [status.INVALID_ARGUMENT, 'exactly one debug request is required']);
    }
    // Names are a set.
    assert.equal((await ask(DEBUG, ['networkz', 'networkz'])).resources.length, 1);
  });

  test('who asks is no proxy: not listed, nothing pushed, an acknowledgement not answered, another question is', async () => {
    const client = open();
    client.subscribe(SYNCZ);
    client.ack(await client.next(SYNCZ));
    client.subscribe(DEBUG, ['syncz']);
    const { resources } = await client.next(DEBUG);
    assert.doesNotMatch(Buffer.from(resources[0]?.any.value ?? '').toString(), /test-1/);
    assert.match((await page('/ready?verbose')) ?? '', /^proxies: 3$/m);
    assert.equal(client.received.length, 2);
    client.subscribe('cluster');
    assert.equal((await client.ended).code, status.INVALID_ARGUMENT);
  });

  const elsewhere = Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address;
  test('nobody from elsewhere over plaintext', { skip: !elsewhere && 'no address but loopback' }, async () => {
    for (const type of [SYNCZ, CONFIG_DUMP, DEBUG]) {
      const client = open('sotw', elsewhere);
      client.subscribe(type, ['syncz']);
      const { code, details } = await client.ended;
      assert.deepEqual([code, details], [status.UNAUTHENTICATED, 'authentication required']);
    }
    assert.match(serve.log(), /a question over xDS was refused/);
  });

  test('streams that ask are bounded: the oldest makes room', async () => {
    const clients: AdsClient[] = [];
    for (let i = 0; i <= bounds['inquiry-streams'].most; i++) {
      // Ninety on each connection.
      const channel = { 'grpc.use_local_subchannel_pool': 0, 'grpc.primary_user_agent': `${Math.floor(i / 90)}` };
      const client = new AdsClient(`127.0.0.1:${port(serve.xds)}`, 'sotw', node, { channel });
      clients.push(client);
      client.subscribe(SYNCZ);
      await client.next(SYNCZ);
    }
    const { code, details } = (await clients[0]?.ended) ?? { code: 0, details: '' };
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    assert.match(details, /inquiry-streams/);
    for (const client of clients) client.close();
  });
});

test('whom there is no room for among those who ask is of the address that has most', () => {
  const streams = new InquiryStreams();
  const ended: string[] = [];
  const asking = (host: string, name: string, kept = 0): Asking => {
    const stream = { host, kept, fail: ({ message }: StatusError) => void ended.push(`${name} ${message}`) };
    streams.add(stream);
    return stream;
  };
  asking('10.0.0.1', 'alone');
  const many = Array.from({ length: bounds['inquiry-streams'].most + 1 }, (_, i) => asking('10.0.0.2', `${i}`));
  assert.deepEqual(
    ended.map(line => line.replace(/ .*\(/, ' (')),
    ['0 (inquiry-streams)', '1 (inquiry-streams)'],
  );
  ended.length = 0;
  for (const stream of many) streams.delete(stream);
  const room = bounds['inquiry-bytes'].most;
  asking('10.0.0.1', 'a long answer', room * 0.4);
  asking('10.0.0.2', 'one of many', room * 0.3);
  asking('10.0.0.2', 'a longer one of many', room * 0.31);
  streams.weigh();
  assert.deepEqual(
    ended.map(line => line.replace(/ at most.*\(/, ' (')),
    ['a longer one of many (inquiry-bytes)'],
  );
  streams.weigh();
  assert.equal(ended.length, 1);
});

import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { bounds } from '../../src/bounds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { status } from '../../src/grpc/status.ts';
import { PageWriter } from '../../src/http/page-writer.ts';
import { struct } from '../../src/proto/wellknown.ts';
import { AdsClient } from '../support/ads-client.ts';
import { LocalPlane } from '../support/local-plane.ts';
import { until } from '../support/until.ts';
import { hugeMesh } from './huge-mesh.ts';

test('of a page that fifty do not read only what they were sent is made, and one who reads has all of it', async () => {
  const writer = new PageWriter();
  const PIECE = 1_000;
  const PIECES = 2_000;
  /** A response whose client reads nothing. */
  const unread = (): ServerResponse =>
    new Writable({ highWaterMark: 16 * 1024, write: () => {} }) as Writable & ServerResponse;
  const failed = (error: unknown): never => assert.fail(String(error));
  let made = 0;
  const page = function* (count: () => void) {
    for (let i = 0; i < PIECES; i++) {
      count();
      yield 'x'.repeat(PIECE);
    }
  };
  for (let i = 0; i < 50; i++)
    writer.write(
      unread(),
      page(() => made++),
      failed,
    );
  let [own, read] = [0, 0];
  const reader = new Writable({
    write(chunk: Buffer, _, done) {
      read += chunk.length;
      setImmediate(done);
    },
  });
  const finished = new Promise(resolve => reader.once('finish', resolve));
  writer.write(
    reader as Writable & ServerResponse,
    page(() => own++),
    failed,
  );
  await finished;
  assert.deepEqual([own, read], [PIECES, PIECES * PIECE]);
  assert.ok(made > 0 && made <= 50 * 67, `${made} pieces for those who read none`);
});

/** Makes a cluster so long that no socket has room for its JSON: who does not read gets no further, and it costs little to make. */
const longCluster: RawObject = {
  apiVersion: 'networking.istio.io/v1alpha3',
  kind: 'EnvoyFilter',
  metadata: { name: 'text', namespace: 'load' },
  spec: {
    configPatches: [
      {
        applyTo: 'CLUSTER',
        match: { cluster: { name: 'outbound|80||svc-0.load.svc.cluster.local' } },
        patch: {
          operation: 'MERGE',
          value: { metadata: { filter_metadata: { text: { text: 'x'.repeat(6 << 20) } } } },
        },
      },
    ],
  },
};

describe('those who ask for long answers and do not read them, go, or see the proxy go', () => {
  let plane: LocalPlane;
  before(async () => {
    plane = await LocalPlane.start([...hugeMesh({ services: 20, endpoints: 100, hosts: 100, names: 10 }), longCluster]);
    await plane.connect('sidecar', 'web-1');
  });
  after(() => plane?.stop());

  const asking = (): AdsClient => new AdsClient(plane.xds, 'sotw', { id: 'sidecar~10.9.9.9~test-1.load~x' });
  const open = (request: string): Socket => {
    const [host = '', port] = plane.http.split(':');
    const socket = connect(Number(port), host);
    socket.on('error', () => {});
    socket.write(request);
    return socket;
  };
  const DUMP = '/debug/config_dump?proxyID=web-1.load&include_eds';
  const get = (path: string, version = '1.1', headers = ''): string =>
    `GET ${path} HTTP/${version}\r\nHost: a\r\n${headers}\r\n`;
  async function all(socket: Socket): Promise<string> {
    let text = '';
    for await (const chunk of socket.setEncoding('utf8')) text += chunk;
    return text;
  }

  test('over xDS: what is kept for them is bounded, who has most is ended, and others are answered', async () => {
    const clients: AdsClient[] = [];
    const ended: { readonly code: number; readonly details: string }[] = [];
    const page = await (await fetch(`http://${plane.http}${DUMP}`)).text();
    const count = Math.ceil(bounds['inquiry-bytes'].most / page.length) + 2;
    assert.ok(count < bounds['inquiry-streams'].most);
    for (let i = 0; i < count; i++) {
      const client = asking();
      clients.push(client);
      // Who has acknowledged something is given longer, which a slow machine needs.
      client.subscribe('istio.io/debug', ['list']);
      client.ack(await client.next());
      client.pause();
      client.subscribe('istio.io/debug', [DUMP.slice('/debug/'.length)]);
      void client.ended.then(how => ended.push(how));
    }
    const dump = asking();
    dump.subscribe('istio.io/debug/config_dump', ['web-1.load']);
    assert.equal((await dump.next()).resources.length, 7);
    await until('one of them to be ended', () => ended.length > 0);
    assert.ok(
      ended.every(({ code, details }) => code === status.RESOURCE_EXHAUSTED && details.includes('inquiry-bytes')),
    );
    const client = asking();
    client.subscribe('istio.io/debug', ['list']);
    assert.equal((await client.next()).resources.length, 1);
    for (const each of [...clients, dump, client]) each.close();
  });

  test('a page is of one moment: its proxy goes, and the world changes, while it is read', async () => {
    const leaving = await plane.connect('sidecar', 'leaving-1');
    const whole = await (await fetch(`http://${plane.http}${DUMP.replace('web-1', 'leaving-1')}`)).text();
    const socket = open(get(DUMP.replace('web-1', 'leaving-1'), '1.0'));
    await new Promise(resolve => socket.once('readable', resolve));
    leaving.close();
    plane.change({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'new', namespace: 'load' },
      spec: { clusterIP: '10.99.0.1', ports: [{ name: 'http', port: 80 }] },
    });
    await until('the proxy to be gone', async () => {
      const { status: code } = await fetch(`http://${plane.http}${DUMP.replace('web-1', 'leaving-1')}`);
      return code === 404;
    });
    const text = await all(socket);
    const versionless = (of: string): string => of.replaceAll(/"versionInfo": "[^"]*"/g, '');
    assert.equal(versionless(text.slice(text.indexOf('\r\n\r\n') + 4)), versionless(whole));
  });

  test('who goes in the middle costs nothing more, and pipelined requests are answered in their order', async () => {
    for (let i = 0; i < 5; i++) {
      const socket = open(get(DUMP));
      await new Promise(resolve => socket.once('readable', resolve));
      socket.destroy();
    }
    const paths = ['/debug/mesh', DUMP, '/debug/nothing', '/debug/list'];
    const socket = open(paths.map((path, i) => get(path, '1.1', i === 3 ? 'Connection: close\r\n' : '')).join(''));
    const answers = (await all(socket)).split(/HTTP\/1\.1 (?=\d{3} )/).slice(1);
    assert.deepEqual(
      answers.map(answer => answer.slice(0, 3)),
      ['200', '200', '404', '200'],
    );
    assert.match(answers[3] ?? '', /"adsz"/);
    assert.match(
      await all(open(get('/debug/list', '1.0'))),
      /^HTTP\/1\.1 200 OK\r\n(?!.*chunked)[\s\S]*"adsz"[\s\S]*\]\n$/,
    );
  });

  test('a Node that says nonsense spoils no page', async () => {
    const nonsense = [
      ...['garbage', '{', [1], 7, true].map(PROXY_CONFIG => ({ PROXY_CONFIG, LABELS: 'x', CLUSTER_ID: [1] })),
      { LABELS: { __proto__: 'x', a: { b: 1 } }, INSTANCE_IPS: { a: 1 }, ISTIO_VERSION: {}, NETWORK: [[]] },
    ];
    const clients = nonsense.map((metadata, i) =>
      plane.client({ id: `sidecar~10.0.0.1~odd-${i}.load~x`, metadata: struct(metadata) }),
    );
    for (const client of clients) {
      client.subscribe('listener');
      assert.ok((await client.next('listener')).resources.length > 0);
    }
    const names = (await (await fetch(`http://${plane.http}/debug/list`)).json()) as readonly string[];
    const ofProxy = ['config_dump', 'edsz', 'sidecarz', 'telemetryz', 'adsz'];
    const pages = [...names, ...ofProxy.flatMap(page => nonsense.map((_, i) => `${page}?proxyID=odd-${i}.load`))];
    for (const page of pages) {
      const answer = await fetch(`http://${plane.http}/debug/${page}`);
      const text = await answer.text();
      assert.ok([200, 400, 404].includes(answer.status), `${page}: ${answer.status} ${text}`);
      if (answer.headers.get('content-type') === 'application/json') JSON.parse(text);
    }
    for (const client of clients) client.close();
  });
});

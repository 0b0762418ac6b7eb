import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, describe, test } from 'node:test';
import protobuf from 'protobufjs';
import { sortedBy } from '../../src/http/debug/sorted.ts';
import { pieces } from '../../src/http/page.ts';
import { pageWriter } from '../../src/http/page-writer.ts';
import { each, type LateJson, lateAny, lateCamelJson, Members, pause, toCamelJson } from '../../src/proto/json.ts';
import { decode, encode } from '../../src/proto/message.ts';
import { struct } from '../../src/proto/wellknown.ts';
import { longResponse } from '../../src/xds/long-answer.ts';
import { AdsClient } from '../support/ads-client.ts';
import { LocalPlane } from '../support/local-plane.ts';
import { hugeMesh } from './huge-mesh.ts';

/** What is done between two looks at the clock. */
interface Work {
  /** Characters or bytes that were made. */
  made: number;
  /** Numbers, texts and messages that were read of encoded messages. */
  reads: number;
}

const ONE = 1_000;
/** A piece of JSON as it is indented, or the bytes of one write. */
const MOST_MADE = 64 * 1024;
/** Of a long list only where each item begins is read at once: its tag and its length. */
const MOST_READS = 4 * ONE;

describe('no page is made in one piece, however long the lists are that it shows', () => {
  let plane: LocalPlane;
  const nothing = (): Work => ({ made: 0, reads: 0 });
  let most = nothing();
  let steps = 0;
  const restore: (() => void)[] = [];
  const readers = protobuf.Reader.prototype;
  let reads = 0;
  before(async () => {
    for (const name of ['uint32', 'string', 'bytes'] as const) {
      const read = readers[name] as () => never;
      restore.push(() => Object.assign(readers, { [name]: read }));
      Object.assign(readers, {
        [name](this: protobuf.Reader) {
          reads++;
          return read.call(this);
        },
      });
    }
    plane = await LocalPlane.start(hugeMesh({ services: 100, endpoints: ONE, hosts: ONE, names: 500 }));
    await plane.connect('sidecar', 'web-1');
    await plane.connect('router', 'gateway-1');
    /** Counts what each step of the work comes to. */
    const watched = <T>(work: Iterator<T>): Iterator<T> => ({
      next() {
        const before = reads;
        const step = work.next();
        const made = typeof step.value === 'string' ? step.value.length : 0;
        steps++;
        most = { made: Math.max(most.made, made), reads: Math.max(most.reads, reads - before) };
        return step;
      },
    });
    const { write, work, make } = pageWriter;
    restore.push(() => Object.assign(pageWriter, { write, work, make }));
    const [write_, work_, make_] = [write, work, make].map(method => method.bind(pageWriter)) as never as [
      typeof write,
      typeof work,
      typeof make,
    ];
    Object.assign(pageWriter, {
      write: ((response, of, fail) => write_(response, watched(of), fail)) satisfies typeof write,
      work: ((of, waited) => work_(watched(of), waited)) satisfies typeof work,
      make: (page =>
        make_(() => void watched({ next: () => ({ done: true, value: page() }) }).next())) satisfies typeof make,
    });
  });
  after(async () => {
    for (const undo of restore) undo();
    await plane?.stop();
  });

  const held = (what: string): void => {
    assert.ok(most.made <= MOST_MADE, `${what}: ${most.made} characters in one piece`);
    assert.ok(most.reads <= MOST_READS, `${what}: ${most.reads} reads for one piece`);
  };
  const read = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      get(`http://${plane.http}${path}`, { agent: false }, response => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      }).on('error', reject);
    });

  test('every page of /debug/list for the largest proxies, over HTTP and over xDS, which say the same', async () => {
    const names = JSON.parse(await read('/debug/list')) as readonly string[];
    const ofProxies = new Set(['config_dump', 'edsz', 'ecdsz', 'ndsz', 'sidecarz', 'telemetryz']);
    const asked = names.flatMap(name =>
      ofProxies.has(name)
        ? [`${name}?proxyID=web-1.load&include_eds`, `${name}?proxyID=gateway-1.load&types=rds,nds,cds`]
        : name,
    );
    let long = 0;
    for (const page of asked) {
      most = nothing();
      steps = 0;
      const text = await read(`/debug/${page}`);
      held(page);
      if (text.length > 4 * MOST_MADE) long++;
      // A list that is made in small pieces takes many.
      assert.ok(steps >= text.length / MOST_MADE, page);
      most = nothing();
      const asking = new AdsClient(plane.xds, 'sotw', { id: 'sidecar~10.9.9.9~test-1.load~x' });
      asking.subscribe('istio.io/debug', [page]);
      const [answer] = (await asking.next('istio.io/debug')).resources;
      asking.close();
      held(`${page} over xDS`);
      // JSON has no end of its last line there, as istiod's: istioctl adds one.
      const overXds = (of: string): string => (/^([[{"]|null)/.test(of) ? of.slice(0, -1) : of);
      const timeless = (of: string): string => of.replaceAll(/"(at|ms|\w*[mM]s|cpu\w*|waited)": [\d.]+/g, '');
      if (!page.includes('stages') && !page.includes('rounds'))
        assert.equal(timeless(Buffer.from(answer?.any.value ?? '').toString()), timeless(overXds(text)), page);
    }
    assert.ok(long >= 6, `${long} long pages`);
  });

  test('a config dump over xDS', async () => {
    for (const proxy of ['web-1.load', 'gateway-1.load']) {
      most = nothing();
      const asking = new AdsClient(plane.xds, 'sotw', { id: 'sidecar~10.9.9.9~test-1.load~x' });
      asking.subscribe('istio.io/debug/config_dump', [proxy]);
      const { resources } = await asking.next('istio.io/debug/config_dump');
      asking.close();
      held(proxy);
      const { configs } = JSON.parse(await read(`/debug/config_dump?proxyID=${proxy}`)) as { configs: unknown[] };
      assert.deepEqual(
        configs,
        resources.map(({ any }) => toCamelJson('google.protobuf.Any', any)),
      );
    }
  });
});

/** What a value says once all of it has been made. */
function told(value: unknown): unknown {
  const text = [...pieces(value)].join('');
  return JSON.parse(text) as unknown;
}

test('what is made late says what is made at once, indented as JSON.stringify does', () => {
  const long = 'a€😀\n"'.repeat(3_000);
  const values: readonly (readonly [late: LateJson, now: unknown])[] = [
    [each([1, 2], n => ({ n })), [{ n: 1 }, { n: 2 }]],
    [each([], n => n), []],
    [each([pause, 1, pause] as const, n => n), [1]],
    [new Members([pause, ['a', 1], ['b', () => each([1], n => n)]]), { a: 1, b: [1] }],
    [new Members([]), {}],
    [() => () => ({ a: undefined, b: [undefined], c: {}, d: [] }), { b: [null], c: {}, d: [] }],
    [
      { long, list: Array.from({ length: 3_000 }, (_, i) => `${i}`) },
      { long, list: Array.from({ length: 3_000 }, (_, i) => `${i}`) },
    ],
    [
      { deep: { deep: { deep: { deep: { deep: each([1], n => [n]) } } } } },
      { deep: { deep: { deep: { deep: { deep: [[1]] } } } } },
    ],
  ];
  for (const [late, now] of values) assert.equal([...pieces(late)].join(''), `${JSON.stringify(now, null, 2)}\n`);
});

test('a long message is the same JSON whether it is made late, of its bytes or of itself, or at once', () => {
  const text = 'x'.repeat(300);
  const route = {
    name: text,
    virtual_hosts: Array.from({ length: 50 }, (_, i) => ({
      name: `host-${i}`,
      domains: Array.from({ length: 50 }, (_, d) => `${i}.${d}.${text}`),
    })),
    internal_only_headers: Array.from({ length: 100 }, (_, i) => `x-${i}-${text}`),
    validate_clusters: { value: false },
    metadata: {
      filter_metadata: Object.fromEntries(
        Array.from({ length: 40 }, (_, i) => [
          `filter-${i}`,
          struct({ list: Array.from({ length: 40 }, (_, n) => ({ n, text, no: null })) }),
        ]),
      ),
    },
  };
  const name = 'envoy.config.route.v3.RouteConfiguration';
  const expected = JSON.stringify(toCamelJson(name, route));
  assert.ok(expected.length > 1_000_000);
  assert.equal(JSON.stringify(told(lateCamelJson(name, route))), expected);
  const any = { type_url: `type.googleapis.com/${name}`, value: encode(name, route) };
  assert.equal(JSON.stringify(told(lateAny(any))), JSON.stringify(toCamelJson('google.protobuf.Any', any)));
});

test('a list is sorted in runs with pauses between', () => {
  const items = Array.from({ length: 3_000 }, (_, i) => `${(i * 7_919) % 3_000}`);
  let run = 0;
  let longest = 0;
  const sorted: string[] = [];
  let named = 0;
  const nameOf = (item: string): string => {
    named++;
    return item;
  };
  for (const item of sortedBy(items, nameOf)) {
    if (item === pause) {
      longest = Math.max(longest, named - run);
      run = named;
    } else sorted.push(item);
  }
  assert.deepEqual(sorted, [...items].sort());
  assert.ok(longest > 0 && longest <= 256);
});

for (const protocol of ['sotw', 'delta'] as const)
  test(`a long answer is the message that the encoder writes, in parts: ${protocol}`, () => {
    const chunks = [Buffer.alloc(100), Buffer.alloc(500_000, 'a'), Buffer.alloc(0), Buffer.alloc(7, 'b')];
    const size = chunks.reduce((sum, { length }) => sum + length, 0);
    const resources = ['one', ''].map(name => ({ typeUrl: 'istio.io/debug', name, size, chunks, kept: 0 }));
    const control_plane = { identifier: 'who' };
    const identifier = encode('envoy.config.core.v3.ControlPlane', control_plane);
    const parts = [...longResponse(protocol, 'istio.io/debug', resources, 'n1', identifier)];
    assert.ok(parts.length > 4 && parts.every(({ length }) => length <= 128 * 1024));
    const any = { type_url: 'istio.io/debug', value: Buffer.concat(chunks) };
    const common = { type_url: 'istio.io/debug', nonce: 'n1', control_plane };
    const [grpc, message] = [Buffer.concat(parts).subarray(0, 5), Buffer.concat(parts).subarray(5)];
    assert.equal(grpc.readUInt32BE(1), message.length);
    const expected =
      protocol === 'delta'
        ? encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
            ...common,
            resources: resources.map(({ name }) => ({ ...(name && { name }), resource: any })),
          })
        : encode('envoy.service.discovery.v3.DiscoveryResponse', { ...common, resources: [any, any] });
    const name =
      protocol === 'delta'
        ? 'envoy.service.discovery.v3.DeltaDiscoveryResponse'
        : 'envoy.service.discovery.v3.DiscoveryResponse';
    assert.deepEqual(decode(name, message), decode(name, expected));
    assert.equal(message.length, expected.length);
  });

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { ChannelCredentials } from '@grpc/grpc-js';
import { parse, parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../src/kubernetes/object.ts';
import { struct } from '../../src/proto/wellknown.ts';
import { answerTo, ODD_REQUESTS } from '../istioctl/odd-requests.ts';
import { connectProxies, DUMPS, differences, keysLacking, keysOf, PAGES, settled } from '../istioctl/pages.ts';
import type { ApiServer } from '../kubernetes/api-server.ts';
import { AdsClient } from '../support/ads-client.ts';
import { freePorts } from '../support/free-ports.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';
import { runIstioctl, type Said } from './istioctl-command.ts';
import { Cluster } from './secured.ts';

const run = promisify(execFile);

const HERE = import.meta.dirname;
const LAB = join(HERE, '../lab');
const MESH = join(HERE, '../istioctl/mesh.yaml');
const RECORDED = join(HERE, '../istioctl/istiod-pages.json');

/** A control plane, as istioctl, curl and Prometheus reach it. */
interface Reached {
  readonly metrics: string;
  /** xDS over TLS. */
  readonly tls: string;
  readonly pages: string;
}

describe('the real istioctl, against ours and against the real istiod on the same mesh', () => {
  const folder = mkdtempSync(join(tmpdir(), 'istioctl-'));
  let cluster: Cluster;
  let admin: string;
  let serve: Serve;
  let istiod: Reached;
  let ours: Reached;
  const proxies: AdsClient[] = [];

  before(async () => {
    cluster = await Cluster.start();
    const { api } = cluster;
    admin = await api.kubeconfig({ token: 'admintoken' });
    await cluster.account('default', 'istio-system');
    const objects = parseAllDocuments(readFileSync(MESH, 'utf8')).map(document => document.toJS() as KubeObject);
    for (const object of objects) await cluster.applyWithStatus(object);

    mkdirSync(join(folder, 'log'));
    writeFileSync(join(folder, 'kubeconfig'), kubeconfigOf(api, admin));
    const base = await freePorts(16);
    const at = (port: number): string => `127.0.0.1:${base + port}`;
    const env = { ...process.env, PORT_BASE: String(base) };
    await run(join(LAB, 'istiod.sh'), [folder], { env });
    istiod = { tls: at(12), pages: at(8), metrics: at(14) };

    const secured = `127.0.0.1:${await freePorts()}`;
    const options = ['--kubeconfig', admin, '--tls-address', secured, '--webhook-address', ''];
    serve = await startServe(options, { env: { POD_NAME: 'istiod-lab' } });
    ours = { tls: secured, pages: serve.http, metrics: serve.http };
    await until('the TLS port', async () => (await fetch(`http://${serve.http}/ready`)).ok);
    for (const address of [at(10), serve.xds]) proxies.push(...(await connectProxies(address)));
    for (const { pages } of [istiod, ours])
      await until('all to be acknowledged', async () => isSynced(JSON.parse(await page(pages, 'syncz')) as Row[]));
  });
  after(async () => {
    for (const proxy of proxies) proxy.close();
    await serve?.stop();
    await run(join(LAB, 'down.sh'), [folder]).catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
    await cluster?.close();
  });

  const istioctl = (...args: readonly string[]): Promise<Said> => runIstioctl(admin, args);

  const page = async (address: string, name: string): Promise<string> =>
    (await fetch(`http://${address}/debug/${name}`)).text();

  /** What must differ: times, and the versions of the two programs. */
  const alike = ({ code, out, err }: Said): Said => {
    const timeless = (text: string): string =>
      text
        .replaceAll(/\(\d+[smh][^)]*\)/g, '(AGO)')
        .replaceAll(/"?(lastUpdated|last_updated|lastUpdateAttempt)"?: *"[^"]*"/g, '"lastUpdated": "THEN"')
        .replaceAll(/last loaded at [^)]*/g, 'last loaded THEN')
        .replaceAll(/(control plane version:) \S+/g, '$1 VERSION')
        // istiod says which replica it is with `syncz` alone.
        .replaceAll(/^ {2}"(MISSING|istiod-lab)":/gm, '  "REPLICA":')
        .replaceAll(/^( *(identifier|nonce|versionInfo):.*\n)( {4}.*\n)?/gm, '')
        // Pages that only ours have.
        .replaceAll(/^ *"(injection|problems|rounds|stages)",\n/gm, '')
        // Ours name those that are connected.
        .replaceAll(/\nconnected: .*$/gm, '')
        .replaceAll(/ +$/gm, '');
    return { code, out: timeless(out), err: timeless(err) };
  };

  const commands: readonly (readonly string[])[] = [
    ['proxy-status'],
    ['proxy-status', '-v', '1'],
    ['proxy-status', '-o', 'json'],
    ['proxy-status', '-o', 'yaml'],
    ['proxy-status', '--namespace', 'default'],
    ['proxy-status', '--namespace', 'nothing'],
    ['proxy-status', '-v', '2'],
    ['proxy-status', '-o', 'short'],
    ['proxy-status', '--revision', 'nope'],
    ['proxy-status', '--timeout', '1ns'],
    ['proxy-status', '--istioNamespace', 'other'],
    ['proxy-status', '--cert-dir', '/nowhere'],
    ['proxy-status', '--insecure'],
    ['x', 'proxy-status', '-v', '0'],
    ['x', 'version'],
    ['x', 'internal-debug', 'edsz'],
    ['x', 'internal-debug', 'config_dump'],
    ['x', 'internal-debug', 'nothing'],
    ['x', 'internal-debug', 'edsz?proxyID='],
    ['x', 'internal-debug', 'two', 'names'],
    ['x', 'internal-debug', '--list'],
    ['x', 'internal-debug', '--all', 'mcsz'],
    ['x', 'internal-debug', '--all', 'list'],
    ['x', 'internal-debug', 'config_dump?proxyID=nobody.default'],
    ['x', 'internal-debug', 'edsz?proxyID=nobody.default'],
    ['x', 'internal-debug', 'list'],
    ['x', 'internal-debug', 'networkz'],
    ['x', 'internal-debug', 'clusterz'],
    ['x', 'internal-debug', 'authorizationz'],
    ['x', 'internal-debug', 'telemetryz'],
    ['x', 'internal-debug'],
  ];
  for (const command of commands)
    test(`istioctl ${command.join(' ')}`, async () => {
      const [theirs, own] = await Promise.all(
        [istiod, ours].map(async ({ tls }) => alike(await istioctl(...command, '--xds-address', tls))),
      );
      assert.ok(theirs && own);
      assert.ok(`${theirs.out}${theirs.err}`.trim(), 'istioctl says something');
      const [wanted, given] = [structured(theirs), structured(own)];
      if (wanted && given) assert.deepEqual(comparable(given), comparable(wanted));
      else assert.deepEqual(own, theirs);
    });

  test("one proxy's diff: what it has is what it was sent", async () => {
    for (const { tls, pages } of [istiod, ours]) {
      const dump = join(folder, 'dump.json');
      writeFileSync(dump, await page(pages, 'config_dump?proxyID=details-v1.default'));
      const { code, out, err } = await istioctl('ps', 'details-v1.default', '--file', dump, '--xds-address', tls);
      assert.equal(code, 0, err);
      for (const part of ['Clusters', 'Listeners', 'Routes']) assert.match(out, new RegExp(`${part} Match`), pages);
    }
  });

  for (const what of ['cluster', 'listener', 'route', 'all'])
    test(`proxy-config ${what}: the tables of both are the same`, async () => {
      const tables = await Promise.all(
        [istiod, ours].map(async ({ pages }, at) => {
          const dump = join(folder, `dump-${what}-${at}.json`);
          writeFileSync(dump, await page(pages, 'config_dump?proxyID=details-v1.default'));
          return alike(await istioctl('proxy-config', what, '--file', dump));
        }),
      );
      assert.equal(tables[0]?.code, 0);
      assert.ok((tables[0]?.out.split('\n').length ?? 0) > 1);
      assert.deepEqual(tables[1], tables[0]);
    });

  test('requests that no tool makes are answered as by istiod', async () => {
    for (const request of ODD_REQUESTS) {
      const [theirs, own] = await Promise.all([istiod, ours].map(({ pages }) => answerTo(pages, request)));
      const [path, { method = 'GET' } = {}] = request;
      // istiod's pages take any method; ours are only read.
      if (method === 'POST' || method === 'DELETE') assert.deepEqual([theirs?.status, own?.status], [200, 405]);
      else assert.deepEqual(own, theirs, `${method} ${path.slice(0, 100)}`);
    }
  });

  /** What a caller with a token is told: the resources, or the status. */
  async function asked(tls: string, token: string, namespace: string, type: string, names: readonly string[]) {
    const metadata = struct({ GENERATOR: 'event', NAMESPACE: namespace });
    const client = new AdsClient(
      tls,
      'sotw',
      { id: `sidecar~10.9.9.9~test-1.${namespace}~x`, metadata },
      {
        credentials: ChannelCredentials.createSsl(null, null, null, { rejectUnauthorized: false }),
        channel: { 'grpc.ssl_target_name_override': 'istiod.istio-system.svc' },
        ...(token && { headers: { authorization: `Bearer ${token}` } }),
      },
    );
    try {
      client.subscribe(type, names);
      const answer = await Promise.race([client.next(type), client.ended]);
      if ('code' in answer) return { code: answer.code, details: answer.details };
      return { resources: answer.resources.map(({ any }) => any.type_url) };
    } finally {
      client.close();
    }
  }

  test('who may ask what: codes and sentences', async () => {
    const DEBUG = 'istio.io/debug';
    const tokens = {
      system: ['istio-system', await cluster.token({ namespace: 'istio-system', account: 'default' })],
      own: ['default', await cluster.token({ account: 'details' })],
      other: ['istio-system', await cluster.token({ namespace: 'istio-system', account: 'istiod' })],
      'of another namespace than it says': ['istio-system', await cluster.token({ account: 'details' })],
      'for another audience': [
        'istio-system',
        await cluster.token({ namespace: 'istio-system', account: 'default', audience: 'vault' }),
      ],
      none: ['istio-system', ''],
    } as const;
    const questions: readonly (readonly [string, readonly string[]])[] = [
      [`${DEBUG}/syncz`, []],
      [`${DEBUG}/config_dump`, ['details-v1.default']],
      [`${DEBUG}/config_dump`, []],
      [DEBUG, ['syncz']],
      [DEBUG, ['config_dump?proxyID=details-v1.default']],
      [DEBUG, ['edsz?proxyID=nobody']],
      [DEBUG, ['nothing']],
      [DEBUG, []],
      [DEBUG, ['edsz', 'ndsz']],
    ];
    let denied = 0;
    for (const [who, [namespace, token]] of Object.entries(tokens))
      for (const [type, names] of questions) {
        const [theirs, own] = await Promise.all(
          [istiod, ours].map(({ tls }) => asked(tls, token, namespace, type, names)),
        );
        assert.deepEqual(own, theirs, `${who}: ${type} ${names.join()}`);
        if (theirs && 'code' in theirs) denied++;
      }
    assert.ok(denied > 20);
  });

  test('from this machine without TLS and without a token', async () => {
    const { out } = await istioctl('proxy-status', '--plaintext', '--xds-address', serve.xds);
    assert.match(out, /details-v1\.default +Kubernetes +istiod-lab +1\.31\.0 +4 \(CDS,LDS,EDS,RDS\)/);
  });

  describe('the debug pages', () => {
    const parsed = async (address: string, name: string): Promise<unknown> => JSON.parse(await page(address, name));
    const record = { pages: {} as Record<string, unknown>, keys: {} as Record<string, readonly string[]> };
    after(() => {
      if (process.env['UPDATE_GOLDEN']) writeFileSync(RECORDED, `${JSON.stringify(record, null, 1)}\n`);
    });

    for (const name of PAGES)
      test(name, async () => {
        const theirs = settled(await parsed(istiod.pages, name));
        record.pages[name] = theirs;
        assert.deepEqual(differences(name, theirs, settled(await parsed(ours.pages, name)), 'server'), []);
      });

    for (const name of DUMPS)
      test(name, async () => {
        const theirs = keysOf(await parsed(istiod.pages, name));
        record.keys[name] = theirs;
        assert.deepEqual(keysLacking(theirs, await parsed(ours.pages, name)), []);
      });
  });

  test("each query of Istio's control-plane dashboard that applies finds a series", async () => {
    const { stdout } = await run('go', ['list', '-m', '-f', '{{.Dir}}', 'istio.io/istio'], {
      cwd: join(LAB, 'peers/istio'),
    });
    const file = join(stdout.trim(), 'manifests/addons/dashboards/pilot-dashboard.gen.json');
    const queries = [...readFileSync(file, 'utf8').matchAll(/"expr": "(.*)"/g)].map(([, expr = '']) => expr);
    const change = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'new' }, spec: { ports: [{ port: 80 }] } };
    await cluster.apply(change);
    const served = await until('the push of a change', async () => {
      const text = await (await fetch(`http://${ours.pages}/metrics`)).text();
      return text.includes('pilot_xds_push_time_bucket{') ? text : undefined;
    });
    const series = new Set([...served.matchAll(/^([a-z\d_]+)[{ ]/gm)].map(([, name = '']) => name));
    // Of Go's runtime, of the kubelet, and of the proxies.
    const others = /^(go|container|envoy)_/;
    const asked = queries.map(expr => /\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+)\b/.exec(expr)?.[1] ?? '');
    assert.ok(asked.length > 20);
    assert.deepEqual(
      asked.filter(name => !others.test(name) && !series.has(name)),
      [],
    );
    assert.match(served, /^istio_build\{component="pilot",tag="[^"]+"\} 1$/m);
  });

  test('a metric of an istiod name has its type, its labels, their values and its buckets', async () => {
    const [theirs, own] = await Promise.all(
      [istiod, ours].map(async ({ metrics }) => metricsIn(await (await fetch(`http://${metrics}/metrics`)).text())),
    );
    assert.ok(theirs && own);
    const common = [...theirs].flatMap(([name, metric]) => {
      const same = own.get(name);
      return same ? [{ name, theirs: metric, own: same }] : [];
    });
    assert.ok(common.length > 15, String(common.length));
    for (const { name, theirs: wanted, own: metric } of common) {
      assert.equal(metric.type, wanted.type, name);
      if (!metric.labels.size && !wanted.labels.size) continue;
      assert.deepEqual([...metric.labels.keys()].sort(), [...wanted.labels.keys()].sort(), name);
      const missing = (these: Iterable<number | string>, those: ReadonlySet<number | string> | undefined) =>
        [...these].filter(each => !those?.has(each));
      assert.deepEqual(missing(wanted.bounds, metric.bounds), [], name);
      // What happens is not the same in both, but types of xDS are; questions are no pushes here.
      if (/^pilot_(xds_pushes|xds_config_size_bytes|total_xds_rejects)$/.test(name)) {
        const types = [...(wanted.labels.get('type') ?? [])].filter(type => !type.startsWith('istio.io/debug'));
        assert.deepEqual(missing(types, metric.labels.get('type')), [], name);
      }
    }
  });
});

/** What must differ in a response: who answers, and its name for the answer. */
function comparable(answer: object): unknown {
  if (Array.isArray(answer)) return answer;
  const { resources } = answer as { readonly resources?: readonly { readonly node?: { readonly id: string } }[] };
  // istiod lists proxies in any order.
  const sorted = resources?.toSorted((a, b) => ((a.node?.id ?? '') < (b.node?.id ?? '') ? -1 : 1));
  return { ...answer, controlPlane: undefined, nonce: undefined, versionInfo: undefined, resources: sorted };
}

/** What was said as JSON or YAML; undefined where it was neither. */
function structured({ code, out }: Said): object | undefined {
  if (code !== 0 || !/^\s*[[{]|^\w+:$/m.test(out.split('\n')[0] ?? '')) return undefined;
  const value: unknown = parse(out);
  return typeof value === 'object' && value !== null ? value : undefined;
}

interface Row {
  readonly resources: Readonly<Record<string, { readonly [of in 'sent' | 'acked' | 'lastError']?: string }>>;
}

/** Whether all types that the proxies ask for have been answered. */
function isSynced(rows: readonly Row[]): boolean {
  const types = rows.flatMap(({ resources }) => Object.values(resources));
  return types.length === 11 && types.every(({ sent, acked, lastError }) => sent === acked || lastError);
}

/** A kubeconfig without files beside it. */
function kubeconfigOf({ port }: ApiServer, from: string): string {
  const config = JSON.parse(readFileSync(from, 'utf8')) as { clusters: { cluster: object }[] };
  const cluster = { server: `https://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
  return JSON.stringify({ ...config, clusters: config.clusters.map(each => ({ ...each, cluster })) });
}

interface Metric {
  readonly type: string;
  /** The values of each label. */
  readonly labels: Map<string, Set<string>>;
  readonly bounds: Set<number>;
}

/** A page in Prometheus' format. */
function metricsIn(text: string): ReadonlyMap<string, Metric> {
  const found = new Map<string, Metric>();
  for (const [, name = '', type = ''] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm))
    found.set(name, { type, labels: new Map(), bounds: new Set() });
  for (const [, series = '', labels = ''] of text.matchAll(/^(\w+)\{(.*)\} \S+$/gm)) {
    const metric = found.get(series) ?? found.get(series.replace(/_(bucket|sum|count)$/, ''));
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="([^"]*)"/g))
      if (label === 'le') metric?.bounds.add(value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value));
      else metric?.labels.set(label, (metric.labels.get(label) ?? new Set()).add(value));
  }
  return found;
}

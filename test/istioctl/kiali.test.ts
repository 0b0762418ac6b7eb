import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { struct } from '../../src/proto/wellknown.ts';
import { inThisProcess } from '../cli/program.ts';
import { AdsClient } from '../support/ads-client.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';

/** What Kiali reads of objects (istio/discovery.go, istio/version.go). */
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly ports?: readonly { readonly name: string; readonly port: number }[];
    readonly template?: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: {
        readonly containers: readonly {
          readonly args: readonly string[];
          readonly env: readonly { readonly name: string; readonly value?: string }[];
          readonly ports: readonly { readonly containerPort: number }[];
        }[];
      };
    };
  };
}
type Labels = Readonly<Record<string, string>>;

for (const revision of ['default', 'canary'])
  describe(`Kiali finds the control plane and its settings: revision ${revision}`, () => {
    let objects: readonly Manifest[] = [];
    before(async () => {
      const set = revision === 'default' ? [] : ['--set', `revision=${revision}`];
      const { code, out, err } = await inThisProcess(['install', ...set]);
      assert.equal(code, 0, err);
      objects = parseAllDocuments(out).map(document => document.toJS() as Manifest);
    });
    const labelled = (kind: string, labels: Labels): readonly Manifest[] =>
      objects.filter(
        of => of.kind === kind && Object.entries(labels).every(([key, value]) => of.metadata.labels?.[key] === value),
      );
    const only = <T>(found: readonly T[] | undefined): T => {
      assert.equal(found?.length, 1);
      return found?.[0] as T;
    };
    const deployment = (): Manifest => only(labelled('Deployment', { app: 'istiod' }));
    const container = () => only(deployment().spec?.template?.spec.containers);
    const mapOf = (name: string) =>
      only(
        objects.filter(
          ({ kind, metadata }) =>
            kind === 'ConfigMap' && metadata.name === (revision === 'default' ? name : `${name}-${revision}`),
        ),
      ).data ?? {};

    test('the Deployment by its label, with its revision and the cluster that it is of', () => {
      assert.equal(deployment().metadata.labels?.['istio.io/rev'], revision);
      assert.equal(deployment().metadata.namespace, 'istio-system');
      const env = new Map(container().env.map(({ name, value }) => [name, value]));
      // By default Kiali's own name of it; with another one the control plane is an external one to Kiali, without namespaces.
      assert.equal(env.get('CLUSTER_ID'), 'Kubernetes');
      for (const name of ['EXTERNAL_ISTIOD', 'PILOT_SCOPE_GATEWAY_TO_NAMESPACE', 'SHARED_MESH_CONFIG'])
        assert.ok(!env.has(name));
      assert.match(container().args.join(' '), /--cluster-id \$\(CLUSTER_ID\)/);
    });

    test('its pods by their labels, and the ports that are forwarded', () => {
      const { labels } = deployment().spec?.template?.metadata ?? assert.fail();
      assert.deepEqual([labels['app'], labels['istio.io/rev']], ['istiod', revision]);
      const open = container().ports.map(({ containerPort }) => containerPort);
      // /ready on 8080, /version and /debug/syncz on 15014, as no argument says otherwise.
      for (const port of [8080, 15014]) assert.ok(open.includes(port), String(port));
      assert.ok(!container().args.some(arg => arg.startsWith('--monitoringAddr')));
    });

    test('the Service, with the port of its version', () => {
      const { spec } = only(labelled('Service', { app: 'istiod', 'istio.io/rev': revision }));
      assert.equal(spec?.ports?.find(({ name }) => name === 'http-monitoring')?.port, 15014);
    });

    test('MeshConfig, networks and the values of injection', () => {
      const { mesh = '', meshNetworks = '' } = mapOf('istio');
      const settings = parse(mesh) as Readonly<Record<string, unknown>>;
      assert.equal(settings['rootNamespace'], 'istio-system');
      assert.deepEqual(parse(meshNetworks), { networks: {} });
      const { values = '' } = mapOf('istio-sidecar-injector');
      const { global } = JSON.parse(values) as { global: { network: unknown; multiCluster: { clusterName: string } } };
      assert.equal(typeof global.network, 'string');
      assert.equal(global.multiCluster.clusterName, 'Kubernetes');
    });

    test('the webhooks of tags say which revision each is', () => {
      for (const { metadata } of objects.filter(({ kind }) => kind === 'MutatingWebhookConfiguration'))
        assert.equal(metadata.labels?.['istio.io/rev'], revision, metadata.name);
    });
  });

/** Kiali's SyncStatus (kubernetes/types.go). */
interface SyncStatus {
  readonly cluster_id: string;
  readonly proxy: string;
  readonly istio_version: string;
  readonly cluster_sent?: string;
  readonly cluster_acked?: string;
  readonly listener_sent?: string;
  readonly listener_acked?: string;
}

/** As Kiali says it (business/proxy_status.go, xdsStatus). */
function inWords(sent = '', acked = ''): string {
  if (!sent) return 'IGNORED';
  if (sent === acked) return 'Synced';
  return acked ? 'Stale' : 'Stale (Never Acknowledged)';
}

describe('what Kiali asks the control plane', () => {
  let serve: Serve;
  const proxies: AdsClient[] = [];
  before(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kiali-'));
    process.once('exit', () => rmSync(folder, { recursive: true }));
    serve = await startServe(folder);
  });
  after(async () => {
    for (const proxy of proxies) proxy.close();
    await serve?.stop();
  });
  const text = async (path: string): Promise<string> => (await fetch(`http://${serve.http}${path}`)).text();

  test('/ready and /version', async () => {
    assert.equal((await fetch(`http://${serve.http}/ready`)).status, 200);
    // istioVersionExpr; none of the expressions that it tries before fits.
    const version = await text('/version');
    assert.match(version, /([0-9]+\.[0-9]+\.[0-9]+)/);
    assert.doesNotMatch(version, /OSSM_|openshift-service-mesh|alpha|-dev-|beta|rc\.|istio-release/);
  });

  test('/debug/syncz: each proxy, in the states that it tells apart', async () => {
    const connect = async (name: string, answer: (proxy: AdsClient) => void): Promise<void> => {
      const metadata = struct({ CLUSTER_ID: 'Kubernetes', ISTIO_VERSION: '1.31.0', NAMESPACE: 'shop' });
      const proxy = new AdsClient(serve.xds, 'sotw', { id: `sidecar~10.0.0.1~${name}.shop~x`, metadata });
      proxies.push(proxy);
      answer(proxy);
      proxy.subscribe('cluster');
      const clusters = await proxy.next('cluster');
      if (name === 'refuses') proxy.nack(clusters, 'no');
    };
    await connect('follows', proxy => {
      proxy.autoAck = true;
    });
    await connect('refuses', () => {});
    await connect('silent', () => {});
    const rows = await until('the answers', async () => {
      const all = JSON.parse(await text('/debug/syncz')) as SyncStatus[];
      return all.length === 3 && all[0]?.cluster_acked ? all : undefined;
    });
    assert.deepEqual(
      rows.map(row => [
        row.cluster_id,
        row.proxy,
        row.istio_version,
        inWords(row.cluster_sent, row.cluster_acked),
        inWords(row.listener_sent, row.listener_acked),
      ]),
      [
        ['Kubernetes', 'follows.shop', '1.31.0', 'Synced', 'IGNORED'],
        ['Kubernetes', 'refuses.shop', '1.31.0', 'Stale (Never Acknowledged)', 'IGNORED'],
        ['Kubernetes', 'silent.shop', '1.31.0', 'Stale (Never Acknowledged)', 'IGNORED'],
      ],
    );
  });

  test('its metrics of a control plane (business/metrics.go), from the beginning', async () => {
    const metrics = await text('/metrics');
    for (const name of [
      'pilot_proxy_convergence_time_sum',
      'pilot_proxy_convergence_time_count',
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
    ])
      assert.match(metrics, new RegExp(`^${name} [\\d.e+-]+$`, 'm'));
  });
});

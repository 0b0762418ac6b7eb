import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import type { KubeObject } from '../../src/kubernetes/object.ts';
import { bootstrapText } from '../support/bootstrap.ts';
import { type Envoy, startEnvoy } from '../support/envoy.ts';
import { freePorts } from '../support/free-ports.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';
import { Cluster } from './secured.ts';

const run = promisify(execFile);

const LAB = join(import.meta.dirname, '../lab');
const MESH = join(import.meta.dirname, '../istioctl/mesh.yaml');
const CACHE = process.env['LAB_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mesh-lab');

/** What a stock Envoy takes of istiod's. */
const FOR_STOCK_ENVOY = 'PILOT_ENABLE_METADATA_EXCHANGE=false PILOT_ENABLE_ALPN_FILTER=false';

/** There is no agent here to hand out certificates of istiod's. */
const MESH_CONFIG = 'rootNamespace: istio-system\ntrustDomain: cluster.local\nenableAutoMtls: false\n';
const plaintext: readonly KubeObject[] = [
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: 'istio-system' },
    data: { mesh: MESH_CONFIG },
  },
  {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'default', namespace: 'istio-system' },
    spec: { mtls: { mode: 'DISABLE' } },
  },
];

const details = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'details-v1', namespace: 'default', labels: { app: 'details', version: 'v1' } },
  spec: { serviceAccountName: 'details', containers: [{ name: 'app', image: 'app' }] },
  status: { phase: 'Running', podIP: '10.1.7.11', podIPs: [{ ip: '10.1.7.11' }] },
};

/** Named, so that istiod finds the pod in whatever order it reads them. */
const slice: KubeObject = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'details-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'details' } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 9080, protocol: 'TCP' }],
  endpoints: [
    {
      addresses: ['10.1.7.11'],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name: 'details-v1', namespace: 'default' },
    },
  ],
};

/** A filter whose settings come by ECDS. */
const filter = {
  apiVersion: 'networking.istio.io/v1alpha3',
  kind: 'EnvoyFilter',
  metadata: { name: 'by-ecds', namespace: 'default' },
  spec: {
    configPatches: [
      {
        applyTo: 'HTTP_FILTER',
        match: {
          context: 'SIDECAR_INBOUND',
          listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager' } } },
        },
        patch: {
          operation: 'INSERT_FIRST',
          value: {
            name: 'header-to-metadata',
            config_discovery: {
              config_source: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
              type_urls: ['type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config'],
            },
          },
        },
      },
      {
        applyTo: 'EXTENSION_CONFIG',
        match: { context: 'SIDECAR_INBOUND' },
        patch: {
          operation: 'ADD',
          value: {
            name: 'header-to-metadata',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config',
              request_rules: [{ header: 'x-version', on_header_present: { metadata_namespace: 'lb', key: 'version' } }],
            },
          },
        },
      },
    ],
  },
};

/** An Envoy with its control plane's own view of it. */
interface Seen {
  readonly envoy: Envoy;
  readonly pages: string;
}

describe('proxy-config on dumps: what istioctl prints of an Envoy with ours is what it prints of one with istiod', () => {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-config-'));
  let cluster: Cluster;
  let serve: Serve;
  let theirs: Seen;
  let ours: Seen;
  const envoys: Envoy[] = [];

  before(async () => {
    cluster = await Cluster.start();
    const objects = parseAllDocuments(readFileSync(MESH, 'utf8')).map(document => document.toJS() as KubeObject);
    const own = objects.filter(({ kind }) => kind !== 'PeerAuthentication');
    await cluster.account('details');
    for (const object of [details, ...own, slice, ...plaintext, filter]) await cluster.applyWithStatus(object);
    const admin = await cluster.api.kubeconfig({ token: 'admintoken' });

    mkdirSync(join(folder, 'log'));
    mkdirSync(join(folder, 'objects'));
    writeFileSync(join(folder, 'objects/pod.yaml'), stringify(details));
    const config = JSON.parse(readFileSync(admin, 'utf8')) as { clusters: { cluster: object }[] };
    const server = { server: `https://127.0.0.1:${cluster.api.port}`, 'insecure-skip-tls-verify': true };
    const local = { ...config, clusters: config.clusters.map(each => ({ ...each, cluster: server })) };
    writeFileSync(join(folder, 'kubeconfig'), JSON.stringify(local));
    writeFileSync(join(folder, 'mesh.yaml'), MESH_CONFIG);
    const base = await freePorts(16);
    const env = { ...process.env, PORT_BASE: String(base), ISTIOD_ENV: FOR_STOCK_ENVOY };
    await run(join(LAB, 'istiod.sh'), [folder], { env });
    serve = await startServe(['--kubeconfig', admin, '--tls-address', '', '--webhook-address', '']);
    theirs = { envoy: await envoyAt(`127.0.0.1:${base + 10}`), pages: `127.0.0.1:${base + 8}` };
    ours = { envoy: await envoyAt(serve.xds), pages: serve.http };
  });
  after(async () => {
    for (const envoy of envoys) await envoy.stop();
    await serve?.stop();
    await run(join(LAB, 'down.sh'), [folder]).catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
    await cluster?.close();
  });

  async function envoyAt(xds: string): Promise<Envoy> {
    const admin = `127.0.0.1:${await freePorts()}`;
    const of = ['--config', join(folder, 'objects'), 'details-v1.default'];
    const bootstrap = await bootstrapText(...of, '--xds-address', xds, '--admin-address', admin);
    const envoy = await startEnvoy({ bootstrap, admin });
    envoys.push(envoy);
    await until('the routes', async () => (await envoy.admin('/config_dump')).includes('"dynamic_route_configs"'));
    return envoy;
  }

  async function istioctl(...args: readonly string[]): Promise<string> {
    const { stdout } = await run(join(CACHE, 'bin/istioctl'), ['proxy-config', ...args]);
    return stdout;
  }

  let files = 0;
  async function print(dump: string, ...command: readonly string[]): Promise<string> {
    const file = join(folder, `dump-${files++}.json`);
    writeFileSync(file, dump);
    return istioctl(...command, '--file', file);
  }

  /** The tables, in an order of their own: routes come as they were sent. */
  const tables = (text: string): readonly string[] =>
    text
      .split('\n')
      .map(line => line.trimEnd().replace(/127\.0\.0\.1:\d+ +/, '127.0.0.1:PORT '))
      .sort();

  /** What of a dump has rows here: without certificates there are no secrets. */
  const PARTS = ['listener', 'route', 'cluster', 'eds', 'all', 'secret', 'ecds'] as const;

  const same = ([istiods = '', own = '']: readonly string[], what: string): void => {
    assert.ok(istiods.trim().includes('\n') || what === 'secret', istiods);
    assert.deepEqual(tables(own), tables(istiods));
  };

  for (const what of [...PARTS, 'endpoint'])
    test(`${what}, of what the Envoy itself dumps`, async () => {
      const path = what === 'endpoint' ? '/clusters?format=json' : '/config_dump?include_eds';
      same(await Promise.all([theirs, ours].map(async ({ envoy }) => print(await envoy.admin(path), what))), what);
    });

  for (const what of PARTS)
    test(`${what}, of the debug page`, async () => {
      const path = 'debug/config_dump?proxyID=details-v1.default&include_eds';
      const page = async ({ pages }: Seen): Promise<string> => (await fetch(`http://${pages}/${path}`)).text();
      same(await Promise.all([theirs, ours].map(async seen => print(await page(seen), what))), what);
    });

  test('bootstrap: who the Envoy is, and where its control plane', async () => {
    const said = JSON.parse(await print(await ours.envoy.admin('/config_dump'), 'bootstrap', '-o', 'json'));
    assert.equal(said.bootstrap.node.id, 'sidecar~10.1.7.11~details-v1.default~default.svc.cluster.local');
    assert.deepEqual(
      said.bootstrap.staticResources.clusters.map(({ name }: { name: string }) => name),
      ['xds-grpc'],
    );
  });
});

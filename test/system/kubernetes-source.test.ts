import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import type { RawObject } from '../../src/config/raw.ts';
import { ApiClient } from '../../src/kubernetes/api-client.ts';
import { ApiError } from '../../src/kubernetes/api-error.ts';
import { KubernetesSource } from '../../src/sources/kubernetes/kubernetes.ts';
import { configSourceContract } from '../contract/config-source.ts';
import { World } from '../contract/world.ts';
import { ApiServer, istioCrds, noApiServer } from '../kubernetes/api-server.ts';
import { assertGathered, type LogLine, memoryLog } from '../kubernetes/log.ts';
import { binding, object, portOf, resourceOf, role, service, sidecar } from '../kubernetes/objects.ts';
import { TcpProxy } from '../kubernetes/tcp-proxy.ts';
import { until } from '../kubernetes/until.ts';
import { patiently } from '../support/patiently.ts';
import { serviceAccountToken } from '../support/service-account-token.ts';

const timing = { retryMs: 50, retryMaxMs: 500, livedMs: 2_000, absentMs: 300, silenceMs: 90_000 };

let api: ApiServer;
let admin: ApiClient;
let crds: readonly RawObject[];

async function apply(object: RawObject): Promise<void> {
  await admin.json(`${resourceOf(object)}/${object.metadata.name}`, {
    method: 'PATCH',
    query: { fieldManager: 'test', force: 'true' },
    contentType: 'application/apply-patch+yaml',
    body: object,
  });
}

async function remove(object: RawObject): Promise<void> {
  await admin.json(`${resourceOf(object)}/${object.metadata.name}`, { method: 'DELETE' });
}

const crdOf = (kind: string): RawObject => {
  const crd = crds.find(crd => (crd['spec'] as { names: { kind: string } }).names.kind === kind);
  assert.ok(crd);
  return crd;
};

interface Running {
  readonly world: World;
  readonly source: KubernetesSource;
  readonly proxy: TcpProxy;
  readonly lines: readonly LogLine[];
}

/** Runs a source behind a network that can be cut, as `user`. */
async function watching(
  body: (running: Running) => Promise<void>,
  user: object = { token: 'admintoken' },
  more: object = {},
) {
  const proxy = await TcpProxy.start(api.port);
  const stop = new AbortController();
  try {
    const client = await ApiClient.create({ kubeconfig: await api.kubeconfig({ ...user }, proxy.port) });
    const { log, lines } = memoryLog();
    const meshConfigMap = { namespace: 'istio-system', name: 'istio' };
    const source = new KubernetesSource({ client, log, meshConfigMap, timing: { ...timing, ...more } });
    const world = new World();
    await source.run(world.emit, stop.signal).synced;
    await body({ world, source, proxy, lines });
  } finally {
    stop.abort();
    proxy.close();
  }
}

const said = (lines: readonly LogLine[], words: RegExp) =>
  lines.filter(line => words.test(`${line.msg} ${line.err ?? ''}`));

describe('with a real API server', { skip: noApiServer, timeout: 3_600_000 }, () => {
  before(async () => {
    api = await ApiServer.start();
    admin = await api.client();
    crds = parseAllDocuments(await istioCrds()).flatMap(document => (document.toJSON() as RawObject | null) ?? []);
    for (const crd of crds) await apply(crd);
    for (const name of ['contract', 'istio-system']) await apply(object('v1', 'Namespace', name, undefined));
    await until(() => admin.json('/apis/networking.istio.io/v1/sidecars').then(() => true));
  });
  after(() => api?.close());

  configSourceContract('Kubernetes', async () => {
    await admin.json('/apis/networking.istio.io/v1/namespaces/contract/serviceentries', { method: 'DELETE' });
    const proxy = await TcpProxy.start(api.port);
    const client = await ApiClient.create({ kubeconfig: await api.kubeconfig({ token: 'admintoken' }, proxy.port) });
    return {
      source: () => new KubernetesSource({ client, log: memoryLog().log, timing }),
      put: apply,
      remove,
      cut: async () => {
        proxy.cut();
        return async () => proxy.mend();
      },
      close: async () => proxy.close(),
    };
  });

  test('every kind is told before synced, and only what is read of it', async () => {
    await apply(service('shape'));
    await watching(async ({ world, source }) => {
      const replaced = new Set(world.changes.flatMap(change => (change.op === 'replace' ? [change.kind] : [])));
      // Secrets and ConfigMaps are watched by their names, and nothing has named one.
      assert.equal(replaced.size, source.status().length + 2);
      const { metadata, spec } = world.get('Service', 'default', 'shape') ?? assert.fail();
      assert.ok(metadata.resourceVersion && metadata.uid && metadata.creationTimestamp && spec);
      assert.ok(!('managedFields' in metadata));
      assert.ok(source.status().every(({ state, synced }) => state === 'watching' && synced));
    });
  });

  test('an API server that is killed changes nothing; started again it is caught up with, and the log says both once', async () => {
    await apply(service('before'));
    await apply(service('stays'));
    await watching(async ({ world, source, lines }) => {
      await api.kill();
      await until(() => source.status().every(({ state }) => state === 'failing'));
      assert.ok(world.get('Service', 'default', 'before'));
      await new Promise(resolve => setTimeout(resolve, 1_000));
      const failures = said(lines, /failed/);
      assertGathered(failures);
      const once = failures.filter(({ watches }) => !watches).map(({ err }) => err);
      assert.equal(new Set(once).size, once.length, once.join('\n'));
      const told = world.changes.length;
      await api.up();
      await remove(service('before'));
      await apply(service('after'));
      await until(() => !world.get('Service', 'default', 'before') && !!world.get('Service', 'default', 'after'));
      await until(() => source.status().every(({ state }) => state === 'watching'));
      await until(() => said(lines, /watching the API server again/).length > 0);
      const repeated = world.changes
        .slice(told)
        .filter(
          change => change.op === 'replace' || (change.op === 'upsert' && change.object.metadata.name === 'stays'),
        );
      assert.deepEqual(repeated, []);
    });
  });

  test('history that etcd has compacted away is made up for by a list', async () => {
    for (const name of ['gone-1', 'kept-1']) await apply(service(name));
    await watching(async ({ world, source, proxy, lines }) => {
      proxy.cut();
      await remove(service('gone-1'));
      await apply(service('kept-1', 8080));
      for (let i = 0; i < 20; i++) await apply(service('busy', 1000 + i));
      await api.compact();
      await api.kill();
      await api.up();
      const told = world.changes.length;
      proxy.mend();
      await until(
        () => portOf(world.get('Service', 'default', 'kept-1')) === 8080 && !world.get('Service', 'default', 'gone-1'),
      );
      await until(() => source.status().every(({ state }) => state === 'watching'));
      assert.ok((source.status().find(({ name }) => name === 'Service')?.relists ?? 0) >= 1);
      const relists = source.status().reduce((sum, { relists }) => sum + relists, 0);
      const named = () => said(lines, /listed again/).flatMap(({ watches = [] }) => watches);
      await until(() => named().length >= relists);
      assertGathered(said(lines, /listed again/));
      const services = world.changes
        .slice(told)
        .flatMap(change =>
          change.op === 'upsert' && change.object.kind === 'Service' ? [change.object.metadata.name] : [],
        );
      assert.deepEqual([...new Set(services)].sort(), ['busy', 'kept-1']);
    });
  });

  test('a watch that falls silent is replaced, and loses nothing', () =>
    patiently(2_000, silenceMs => {
      const name = `unheard-${silenceMs}`;
      return watching(
        async ({ world, proxy, source, lines }) => {
          proxy.silence();
          await apply(service(name));
          await until(() => world.get('Service', 'default', name) !== undefined);
          await until(() => said(lines, /nothing arrived/).length > 0);
          assert.equal(source.status().find(({ name }) => name === 'Service')?.relists, 0);
        },
        undefined,
        { silenceMs },
      );
    }));

  test('rights taken away for one kind and given back', async () => {
    const others = [
      'namespaces',
      'nodes',
      'services',
      'endpoints',
      'endpointslices',
      'pods',
      'configmaps',
      'secrets',
      ...crds.map(crd => (crd['spec'] as { names: { plural: string } }).names.plural),
    ];
    await apply(
      role(
        'mesh',
        others.filter(plural => plural !== 'sidecars'),
      ),
    );
    await apply(binding('mesh'));
    await apply(role('mesh-sidecars', ['sidecars']));
    await apply(binding('mesh-sidecars'));
    await apply(sidecar('kept'));
    await watching(
      async ({ world, source, lines }) => {
        const stateOf = (kind: string) => source.status().find(({ name }) => name === kind)?.state;
        assert.ok(world.get('Sidecar', 'default', 'kept'));
        await remove(binding('mesh-sidecars'));
        await until(() => stateOf('Sidecar') === 'failing');
        await apply(sidecar('new'));
        await new Promise(resolve => setTimeout(resolve, 1_500));
        assert.ok(world.get('Sidecar', 'default', 'kept') && !world.get('Sidecar', 'default', 'new'));
        assert.equal(said(lines, /403/).length, 1);
        assert.equal(stateOf('Service'), 'watching');
        await apply(binding('mesh-sidecars'));
        await until(() => world.get('Sidecar', 'default', 'new') !== undefined);
        await until(() => said(lines, /again/).length >= 1);
      },
      { token: 'meshtoken' },
      { watchSeconds: [2, 3], livedMs: 500 },
    );
  });

  test('a CRD deleted takes its objects with it, and brings them when installed again', async () => {
    const crd = crdOf('Sidecar');
    await apply(sidecar('mine'));
    await watching(async ({ world, source }) => {
      const stateOf = (kind: string) => source.status().find(({ name }) => name === kind)?.state;
      await remove(crd);
      await until(() => world.names('Sidecar', 'default').length === 0 && stateOf('Sidecar') === 'absent');
      await watching(async second =>
        assert.equal(second.source.status().find(({ name }) => name === 'Sidecar')?.state, 'absent'),
      );
      await until(() => apply(crd).then(() => true));
      await until(() => apply(sidecar('mine')).then(() => true));
      await until(() => world.get('Sidecar', 'default', 'mine') !== undefined);
      assert.equal(stateOf('Sidecar'), 'watching');
    });
  });

  test('a thousand changes at once all arrive', async () => {
    await watching(async ({ world }) => {
      const entry = (i: number, host: string) =>
        object('networking.istio.io/v1', 'ServiceEntry', `many-${i % 50}`, 'default', {
          spec: { hosts: [host], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }] },
        });
      for (let i = 0; i < 1000; i += 50)
        await Promise.all(Array.from({ length: 50 }, (_, j) => apply(entry(j, `h${i}-${j}.test`))));
      const hostOf = (raw: RawObject | undefined) => (raw?.['spec'] as { hosts: string[] } | undefined)?.hosts[0];
      await until(() =>
        Array.from(
          { length: 50 },
          (_, j) => hostOf(world.get('ServiceEntry', 'default', `many-${j}`)) === `h950-${j}.test`,
        ).every(Boolean),
      );
    });
  });

  test('only the Secrets that are named are read, each while it is named', async () => {
    const secret = (name: string, text: string) =>
      object('v1', 'Secret', name, 'default', { stringData: { key: text } });
    for (const name of ['a', 'b']) await apply(secret(name, 'one'));
    await watching(async ({ world, source }) => {
      assert.equal(world.names('Secret', 'default').length, 0);
      const named = (name: string) => ({ kind: 'Secret', namespace: 'default', name }) as const;
      await source.followNamed([named('a'), named('later')]);
      assert.deepEqual(world.names('Secret', 'default'), ['a']);
      await apply(secret('a', 'two'));
      await apply(secret('later', 'x'));
      await until(() => world.names('Secret', 'default').join() === 'a,later');
      const keyOf = (raw: RawObject | undefined) => (raw?.['data'] as { key: string } | undefined)?.key;
      await until(() => keyOf(world.get('Secret', 'default', 'a')) === Buffer.from('two').toString('base64'));
      await source.followNamed([named('later')]);
      assert.deepEqual(world.names('Secret', 'default'), ['later']);
    });
  });

  test('the mesh ConfigMap is an object of its own, which comes, changes and goes', async () => {
    const mesh = (text: string) => object('v1', 'ConfigMap', 'istio', 'istio-system', { data: { mesh: text } });
    const textOf = (world: World) =>
      (world.get('MeshConfig', '', 'istio')?.['data'] as { mesh: string } | undefined)?.mesh;
    await watching(async ({ world }) => {
      assert.equal(textOf(world), undefined);
      await apply(mesh('accessLogFile: /dev/stdout'));
      await until(() => textOf(world) === 'accessLogFile: /dev/stdout');
      await apply(mesh('trustDomain: other'));
      await until(() => textOf(world) === 'trustDomain: other');
      await remove(mesh(''));
      await until(() => textOf(world) === undefined);
    });
  });

  test('Endpoints come only where no controller writes slices', async () => {
    const endpoints = (name: string, labels?: Record<string, string>) => ({
      ...object('v1', 'Endpoint', name, 'default', {
        subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }],
      }),
      metadata: { name, namespace: 'default', ...(labels && { labels }) },
    });
    for (const body of [
      endpoints('by-hand'),
      endpoints('by-controller', { 'endpointslice.kubernetes.io/skip-mirror': 'true' }),
    ]) {
      await admin.json('/api/v1/namespaces/default/endpoints', {
        method: 'POST',
        body: { ...body, kind: 'Endpoints' },
      });
    }
    await watching(async ({ world }) => assert.deepEqual(world.names('Endpoints', 'default'), ['by-hand']));
  });

  test('a token that is expired or not yet valid is refused until its file has a better one', async t => {
    await admin.json('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      method: 'POST',
      body: object('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'pilot', undefined, {
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ kind: 'ServiceAccount', name: 'pilot', namespace: 'default' }],
      }),
    });
    const account = (await admin.json('/api/v1/namespaces/default/serviceaccounts', {
      method: 'POST',
      body: object('v1', 'ServiceAccount', 'pilot', 'default'),
    })) as RawObject;
    const { uid = '' } = account.metadata;
    const token = (from: number, to: number) =>
      serviceAccountToken(api.serviceAccountKey, { namespace: 'default', name: 'pilot', uid }, from, to);
    const file = join(await mkdtemp(join(tmpdir(), 'token-')), 'token');
    writeFileSync(file, token(600, 1200));
    const { log, lines } = memoryLog();
    const client = await ApiClient.create({ kubeconfig: await api.kubeconfig({ tokenFile: file }) });
    const source = new KubernetesSource({ client, log, timing });
    const stop = new AbortController();
    const world = new World();
    t.after(() => stop.abort());
    const { synced } = source.run(world.emit, stop.signal);
    await until(() => said(lines, /Unauthorized/).length === 1);
    writeFileSync(file, token(-1200, -600));
    await client.renew();
    await assert.rejects(
      client.json('/api/v1/services'),
      (error: unknown) => error instanceof ApiError && error.code === 401,
    );
    writeFileSync(file, `${token(-10, 600)}\n`);
    await synced;
    assert.ok(world.get('Service', 'default', 'kubernetes'));
  });

  // Last: afterwards the API server is empty.
  test('an API server restored to an older state is followed there', async () => {
    for (let i = 0; i < 50; i++) await apply(service('old', 2000 + i));
    await watching(
      async ({ world, source }) => {
        assert.ok(world.get('Service', 'default', 'old'));
        await api.wipe();
        await until(() => !world.get('Service', 'default', 'old') && !!world.get('Service', 'default', 'kubernetes'));
        await until(() => source.status().every(({ state }) => state === 'watching' || state === 'absent'));
      },
      undefined,
      { silenceMs: 5_000 },
    );
  });
});

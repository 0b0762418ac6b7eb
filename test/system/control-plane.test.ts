import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { ChannelCredentials } from '@grpc/grpc-js';
import type { RawObject } from '../../src/config/raw.ts';
import type { ApiClient } from '../../src/kubernetes/api-client.ts';
import { assertGathered, type LogLine } from '../kubernetes/log.ts';
import { object, resourceOf } from '../kubernetes/objects.ts';
import { TcpProxy } from '../kubernetes/tcp-proxy.ts';
import { AdsClient } from '../support/ads-client.ts';
import { freePorts } from '../support/free-ports.ts';
import { serviceAccountToken } from '../support/service-account-token.ts';
import { until } from '../support/until.ts';
import { Lab } from './lab.ts';
import { Pilotlight } from './pilotlight.ts';
import { Sidecar } from './sidecar.ts';

// One control plane lives through everything below, behind a network that can be cut, with the rights of deploy/ and a token from a file;
// one proxy stays connected to it. So each test also shows that the one before has left nothing broken.

let lab: Lab;
let admin: ApiClient;
let network: TcpProxy;
let pilotlight: Pilotlight;
/** Where proxies connect to it over TLS. */
let secured: string;
let proxy: Sidecar;

let failed = false;

/** A test that builds on those before it. */
const step = (name: string, body: (t: TestContext) => Promise<void>): unknown =>
  test(name, async t => {
    if (failed) assert.fail('a test before it failed');
    failed = true;
    await body(t);
    failed = false;
  });

const path = (o: RawObject): string => `${resourceOf(o)}/${o.metadata.name}`;

async function apply(o: RawObject): Promise<void> {
  const query = { fieldManager: 'test', force: 'true' };
  await admin.json(path(o), { method: 'PATCH', query, contentType: 'application/apply-patch+yaml', body: o });
}

async function remove(o: RawObject): Promise<void> {
  await admin.json(path(o), { method: 'DELETE' });
}

const service = (name: string, port = 80): RawObject =>
  object('v1', 'Service', name, 'default', { spec: { selector: { app: name }, ports: [{ name: 'http', port }] } });

const deployment = (name: string, replicas: number): RawObject =>
  object('apps/v1', 'Deployment', name, 'default', {
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name, version: 'v1' } },
        spec: { containers: [{ name: 'c', image: 'c' }] },
      },
    },
  });

const rule = (name: string): RawObject =>
  object('networking.istio.io/v1', 'DestinationRule', name, 'default', {
    spec: { host: name, subsets: ['v1', 'v2'].map(version => ({ name: version, labels: { version } })) },
  });

const split = (name: string, v1: number, hosts: readonly string[] = [name]): RawObject =>
  object('networking.istio.io/v1', 'VirtualService', name, 'default', {
    spec: {
      hosts,
      http: [
        {
          route: [
            { destination: { host: name, subset: 'v1' }, weight: v1 },
            { destination: { host: name, subset: 'v2' }, weight: 100 - v1 },
          ],
        },
      ],
    },
  });

const routed = (name: string, routes: string): Promise<unknown> =>
  until(`routes of ${name} to be ${routes}`, () => proxy.routes(name) === routes);

const allWatching = (): Promise<unknown> => until('every watch to work', () => pilotlight.watching());

/** The names of the resources that have arrived since, apart from what the test's own changes bring. */
const arrivedSince = (seen: number, apartFrom: RegExp): readonly string[] =>
  proxy.client.received
    .slice(seen)
    .flatMap(({ resources, removed }) => [...resources.map(({ name }) => name), ...removed])
    .filter(name => !apartFrom.test(name));

/** Leaves the control plane the rights of deploy/, but for one kind. */
async function rightsWithout(plural?: string): Promise<void> {
  interface Rule {
    readonly resources: readonly string[];
  }
  const at = '/apis/rbac.authorization.k8s.io/v1/clusterroles/istiod-clusterrole-istio-system';
  await lab.kubectl('apply', '-f', 'deploy/istiod/rbac.yaml', '--namespace', 'istio-system');
  if (!plural) return;
  const role = (await admin.json(at)) as RawObject & { readonly rules: readonly Rule[] };
  const rules = role.rules.map(r => ({ ...r, resources: r.resources.filter(name => name !== plural) }));
  await admin.json(at, { method: 'PUT', body: { ...role, rules } });
}

/** Writes a token that is valid between the two times, in seconds from now, to where the control plane reads it. */
async function token(from: number, to: number): Promise<void> {
  const account = (await admin.json('/api/v1/namespaces/istio-system/serviceaccounts/istiod')) as RawObject;
  const { uid = '' } = account.metadata;
  const signed = serviceAccountToken(
    join(lab.folder, 'pki/sa.key'),
    { namespace: 'istio-system', name: 'istiod', uid },
    from,
    to,
  );
  writeFileSync(join(lab.folder, 'token'), signed);
}

describe('the control plane on a real API server', { timeout: 3_600_000 }, () => {
  before(async () => {
    lab = await Lab.up();
    admin = await lab.client();
    await lab.kubectl('delete', 'crd', '--all');
    await lab.kubectl('apply', '-k', 'deploy');
    await lab.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=10m');
    for (const name of ['web', 'other']) {
      await apply(service(name));
      await apply(rule(name));
    }
    await apply(deployment('web', 2));
    network = await TcpProxy.start(lab.port);
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'c', cluster: { server: `https://127.0.0.1:${network.port}`, 'insecure-skip-tls-verify': true } },
      ],
      users: [{ name: 'u', user: { tokenFile: 'token' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    };
    writeFileSync(join(lab.folder, 'pilotlight.kubeconfig'), JSON.stringify(kubeconfig));
    await token(-10, 3600);
  });
  after(async () => {
    proxy?.client.close();
    await pilotlight?.stop();
    network?.close();
    await lab?.down();
  });

  step('no stream is answered before every kind has been listed; what keeps it waiting is named', async () => {
    await rightsWithout('sidecars');
    const kubeconfig = join(lab.folder, 'pilotlight.kubeconfig');
    secured = `127.0.0.1:${await freePorts()}`;
    pilotlight = await Pilotlight.serve('--kubeconfig', kubeconfig, '--tls-address', secured);
    await until('the other kinds to be listed', async () =>
      /: watching/.test(await pilotlight.watch('VirtualService')),
    );
    await until('the reason to be told', async () =>
      /^\[-\] Sidecar: failing \(.*403.*sidecars/.test(await pilotlight.watch('Sidecar')),
    );
    assert.equal((await pilotlight.page('/ready')).status, 503);
    const early = new Sidecar(pilotlight.xds, 'early');
    assert.equal((await early.client.ended).code, 14);
    assert.deepEqual(early.client.received, []);
    early.client.close();
    await rightsWithout();
    await until('it to be ready', async () => (await pilotlight.page('/ready')).status === 200);
    await allWatching();
  });

  step('what the controllers and users write reaches a proxy', async () => {
    proxy = new Sidecar(pilotlight.xds);
    proxy.follow('web', 80);
    await until('two endpoints', () => proxy.endpoints('web').length === 2);
    await apply(deployment('web', 3));
    await until('three endpoints', () => proxy.endpoints('web').length === 3);
    await apply(split('web', 90));
    await routed('web', 'v1:90 v2:10');
    await apply(split('other', 40));
    await routed('other', 'v1:40 v2:60');
  });

  step(
    'an object that is invalid, though its schema lets it through, leaves its last good version in force',
    async () => {
      await apply(split('web', 70, ['no host']));
      await until('it to be reported', async () =>
        (await pilotlight.page('/debug/problems')).body.includes('VirtualService/default/web'),
      );
      await apply(split('other', 30));
      await routed('other', 'v1:30 v2:70');
      assert.equal(proxy.routes('web'), 'v1:90 v2:10');
      const lines = pilotlight.said(/"VirtualService\/default\/web","path":"spec.hosts/);
      const texts = lines.map(line => (JSON.parse(line) as { problem: string }).problem);
      assert.ok(texts.length > 0 && new Set(texts).size === texts.length, lines.join('\n'));
      await apply(split('web', 60));
      await routed('web', 'v1:60 v2:40');
      assert.doesNotMatch((await pilotlight.page('/debug/problems')).body, /VirtualService\/default\/web/);
    },
  );

  step('objects that are deleted and made again under the same name are the new ones', async () => {
    for (const v1 of [10, 20, 30]) {
      await remove(split('web', 0));
      await apply(split('web', v1));
      await remove(service('other'));
      await apply(service('other', v1));
    }
    await routed('web', 'v1:30 v2:70');
    await until(
      'the last port of the Service alone',
      () => [10, 20, 30, 80].filter(p => proxy.has('other', p)).join() === '30',
    );
    await apply(service('other'));
    await until('its old port', () => proxy.has('other'));
  });

  step('of a thousand changes at once none is lost', async t => {
    const entry = (i: number, number: number) =>
      object('networking.istio.io/v1', 'ServiceEntry', `many-${i}`, 'default', {
        spec: { hosts: [`many-${i}.test`], ports: [{ number, name: 'http', protocol: 'HTTP' }], resolution: 'STATIC' },
      });
    const clusters = () => [...proxy.held('cluster').keys()].filter(name => name.endsWith('.test'));
    const began = performance.now();
    const pushes = proxy.client.received.length;
    for (let round = 1; round <= 20; round++)
      await Promise.all(Array.from({ length: 50 }, (_, i) => apply(entry(i, 1000 + round))));
    const took = Math.round(performance.now() - began);
    const last = Array.from({ length: 50 }, (_, i) => `outbound|1020||many-${i}.test`).sort();
    await until('the last change of each', () => clusters().sort().join() === last.join());
    t.diagnostic(`1,000 changes in ${took} ms came to ${proxy.client.received.length - pushes} responses`);
    await admin.json('/apis/networking.istio.io/v1/namespaces/default/serviceentries', { method: 'DELETE' });
    await until('them to be gone', () => clusters().length === 0);
  });

  step(
    'without its API server it serves what it knows, and says so; afterwards only what changed is sent',
    async () => {
      const seen = proxy.client.received.length;
      const said = pilotlight.said(/watch(es)? (of the API server )?failed/).length;
      const revive = await lab.killApiServer();
      await until('the watches to fail', async () => /failing/.test(await pilotlight.watch('Service')));
      assert.equal((await pilotlight.page('/ready')).status, 200);
      assert.match((await pilotlight.page('/metrics')).body, /^pilotlight_watch_up\{kind="Service"\} 0$/m);
      const newcomer = new Sidecar(pilotlight.xds, 'watcher');
      newcomer.follow('web', 80);
      await until(
        'a new proxy to have everything',
        () => newcomer.endpoints('web').length === 3 && newcomer.routes('web'),
      );
      for (const type of ['cluster', 'listener'] as const)
        await until(`its ${type}s`, () => isDeepStrictEqual(newcomer.held(type), proxy.held(type)));
      newcomer.client.close();
      await revive();
      await allWatching();
      await apply(deployment('web', 4));
      await until('the change to arrive', () => proxy.endpoints('web').length === 4);
      assert.deepEqual(arrivedSince(seen, /\|web\./), []);
      const failures = pilotlight.said(/watch(es)? (of the API server )?failed/).slice(said);
      const lines = failures.map(line => JSON.parse(line) as LogLine);
      assertGathered(lines.map(line => ({ ...line, time: Date.parse(`${line.time}`) })));
      assert.match((await pilotlight.page('/metrics')).body, /^pilotlight_watch_up\{kind="Service"\} 1$/m);
    },
  );

  step('history that etcd has compacted away under the watches is made up for', async () => {
    await apply(service('leaves'));
    await until('the Service to be served', () => proxy.has('leaves'));
    const seen = proxy.client.received.length;
    network.cut();
    await remove(service('leaves'));
    await apply(service('comes'));
    await apply(split('web', 80));
    await lab.compact();
    // The API server's own memory of changes would bridge the gap.
    await (await lab.killApiServer())();
    network.mend();
    await until('both Services to be as they are', () => proxy.has('comes') && !proxy.has('leaves'));
    await routed('web', 'v1:80 v2:20');
    await allWatching();
    assert.deepEqual(arrivedSince(seen, /comes|leaves|^\d+$|_\d+$/), []);
  });

  step('rights for one kind taken away: its objects stay; given back, it catches up', async () => {
    await rightsWithout('virtualservices');
    network.cut();
    network.mend();
    await until('the watch to be refused', async () => /failing.*403/.test(await pilotlight.watch('VirtualService')));
    await apply(split('web', 25));
    await apply(deployment('web', 2));
    await until('another kind to arrive', () => proxy.endpoints('web').length === 2);
    assert.equal(proxy.routes('web'), 'v1:80 v2:20');
    assert.equal((await pilotlight.page('/ready')).status, 200);
    await rightsWithout();
    await routed('web', 'v1:25 v2:75');
    await allWatching();
  });

  step('a CRD that is deleted takes its objects with it; installed again, they come without a restart', async () => {
    const crd = 'virtualservices.networking.istio.io';
    await lab.kubectl('delete', 'crd', crd);
    await routed('web', 'all');
    await until('the kind to be absent', async () => /absent/.test(await pilotlight.watch('VirtualService')));
    assert.equal((await pilotlight.page('/ready')).status, 200);
    await lab.kubectl('apply', '-f', `deploy/crds/${crd}.yaml`);
    await until('the API server to serve the kind', () => apply(split('web', 35)).then(() => true));
    await routed('web', 'v1:35 v2:65');
  });

  step(
    'a token that is revoked or has expired is refused; with a good one in the file nothing has been lost',
    async () => {
      // An account made again ends the token that is in use; the API server remembers good ones for a while, until it is started again.
      await lab.kubectl('-n', 'istio-system', 'delete', 'serviceaccount', 'istiod');
      await lab.kubectl('-n', 'istio-system', 'apply', '-f', 'deploy/istiod/service-account.yaml');
      await token(-1200, -600);
      await (await lab.killApiServer())();
      await until('it to be refused', async () => /failing.*401/.test(await pilotlight.watch('VirtualService')));
      await apply(split('web', 45));
      assert.equal((await pilotlight.page('/ready')).status, 200);
      await token(-10, 3600);
      await routed('web', 'v1:45 v2:55');
      await allWatching();
    },
  );

  step('the mesh ConfigMap takes effect at once, and so does a file in its place', async t => {
    const mesh = (text: string) =>
      object('v1', 'ConfigMap', 'istio', 'istio-system', { data: { mesh: text, meshNetworks: 'networks: {}' } });
    const listener = () => proxy.held('listener').get('virtualOutbound');
    const before = listener();
    await apply(mesh('accessLogFile: /dev/stdout\n'));
    await until('the listeners to log', () => listener() !== before);
    const file = join(lab.folder, 'mesh.yaml');
    writeFileSync(file, 'accessLogFile: ""\n');
    const kubeconfig = join(lab.folder, 'pilotlight.kubeconfig');
    const other = await Pilotlight.serve('--kubeconfig', kubeconfig, '--mesh-config', file);
    t.after(() => other.stop());
    await until('it to be ready', async () => (await other.page('/ready')).status === 200);
    const sidecar = new Sidecar(other.xds);
    await until('the listeners', () => sidecar.held('listener').has('virtualOutbound'));
    assert.equal(sidecar.held('listener').get('virtualOutbound'), before);
    writeFileSync(file, 'accessLogFile: /dev/stdout\n');
    await until('the file to be followed', () => sidecar.held('listener').get('virtualOutbound') === listener());
    await until('two replicas to send the same versions', () =>
      isDeepStrictEqual(sidecar.held('cluster'), proxy.held('cluster')),
    );
    sidecar.client.close();
    assert.equal(await other.stop(), 0);
  });

  step(
    'with the rights of deploy/ it makes the mesh a root, gives it to every namespace, and knows proxies by their tokens',
    async t => {
      const root = await until('the root in a namespace', async () => {
        const path = '{.data.root-cert\\.pem}';
        return lab.kubectl('-n', 'default', 'get', 'configmap', 'istio-ca-root-cert', '-o', `jsonpath=${path}`);
      });
      const token = (await lab.kubectl('-n', 'default', 'create', 'token', 'default', '--audience', 'istio-ca')).trim();
      const options = {
        credentials: ChannelCredentials.createSsl(Buffer.from(root)),
        channel: { 'grpc.ssl_target_name_override': 'istiod.istio-system.svc' },
        headers: { authorization: `Bearer ${token}` },
      };
      const known = new AdsClient(
        secured,
        'delta',
        { id: 'sidecar~10.1.0.1~a.default~default.svc.cluster.local' },
        options,
      );
      t.after(() => known.close());
      known.subscribe('cluster');
      await known.next('cluster');
      for (const overlay of ['no-plaintext', 'takeover']) {
        const applied = await lab.kubectl('apply', '--dry-run=server', '-k', `deploy/${overlay}`);
        assert.match(applied, /deployment.apps\/istiod/);
        assert.equal(applied.includes('configmap/istio '), overlay !== 'takeover');
      }
      // Rights for other kinds are taken away above.
      assert.deepEqual(pilotlight.said(/(secrets|configmaps|leases|events|reviews)\S* is forbidden/), []);
    },
  );

  step('asked to end, it ends its streams and exits', async () => {
    assert.equal(await pilotlight.stop(), 0);
    assert.ok((await proxy.client.ended).code > 0);
  });
});

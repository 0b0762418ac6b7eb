import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { parse, stringify } from 'yaml';
import { bootstrapText } from '../support/bootstrap.ts';
import { type NameServer, startNameServer } from '../support/dns.ts';
import { ENVOY_VERSION, type Envoy, envoyMissing, OLDEST_ENVOY_VERSION, startEnvoy } from '../support/envoy.ts';
import { podObject, serviceObject, sliceObject } from '../support/kube-objects.ts';
import { loopbackNetwork } from '../support/local-pod.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { HANGING_MS, until } from '../support/until.ts';

const entry = (name: string, host: string, ...addresses: string[]): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'ServiceEntry',
  metadata: { name, namespace: 'default' },
  spec: {
    hosts: [host],
    addresses,
    resolution: 'STATIC',
    ports: [{ number: 9000, name: 'tcp', protocol: 'TCP' }],
    endpoints: [{ address: '192.0.2.7' }],
  },
});

/** Nothing is bound but for DNS and one port of the client's own. */
const sidecar = (bind: string): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'Sidecar',
  metadata: { name: 'client', namespace: 'default' },
  spec: {
    egress: [{ port: { number: 9000, name: 'tcp', protocol: 'TCP' }, bind, captureMode: 'NONE', hosts: ['*/*'] }],
  },
});

/** A root of one's own, in which a file can stand in another one's place. */
const mounted = (file: string): readonly string[] => [
  ...['unshare', '--map-root-user', '--mount', 'sh', '-c'],
  ...[`mount --bind ${file} /etc/resolv.conf && exec "$@"`, 'envoy'],
];

const mountMissing = await promisify(execFile)('unshare', ['--map-root-user', '--mount', 'true']).then(
  () => false as const,
  (error: Error) => `no mount namespaces: ${error.message}`,
);

for (const version of [ENVOY_VERSION, OLDEST_ENVOY_VERSION]) {
  const skip = mountMissing || (await envoyMissing(version));
  describe(`what Envoy ${version} answers for DNS where there is no agent`, { skip }, () => {
    const at = loopbackNetwork();
    const ends: (() => unknown)[] = [];
    const dns = new Resolver({ timeout: HANGING_MS, tries: 1 });
    let folder = '';
    let upstream: NameServer;
    let serve: Serve;
    let envoy: Envoy;
    const write = async (name: string, ...objects: readonly object[]): Promise<void> => {
      await writeFile(join(folder, `.${name}`), objects.map(object => stringify(object)).join('---\n'));
      await rename(join(folder, `.${name}`), join(folder, name));
    };
    /** The addresses, or the code of the error. */
    const resolve = async (name: string, type: 'A' | 'AAAA' | 'TXT' = 'A'): Promise<readonly string[] | string> => {
      const asked = type === 'TXT' ? dns.resolveTxt(name) : type === 'A' ? dns.resolve4(name) : dns.resolve6(name);
      const answers = await asked.catch((error: NodeJS.ErrnoException) => String(error.code));
      return typeof answers === 'string' ? answers : answers.flat().sort();
    };

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'pilotlight-dns-'));
      ends.push(() => rm(folder, { recursive: true }));
      upstream = await startNameServer(at(5), { 'www.elsewhere.example': '203.0.113.9' });
      ends.push(() => upstream.close());
      const resolvConf = join(folder, 'resolv.conf');
      const search = 'search default.svc.cluster.local svc.cluster.local\noptions ndots:5\n';
      await writeFile(resolvConf, `${search}nameserver ${at(5)}:${upstream.port}\n`);
      const database = { name: 'db', clusterIP: 'None', selector: {}, port: 9000, targetPort: 9000, portName: 'tcp' };
      const pods = [1, 2].map(i => ({ name: `db-${i}`, labels: {}, address: `10.1.0.${i}` }));
      await write(
        'cluster.yaml',
        podObject({ name: 'client', labels: { app: 'client' }, address: at(1) }),
        serviceObject({ name: 'web', clusterIP: '10.96.0.10', selector: {}, port: 9000, targetPort: 9000 }),
        ...pods.map(podObject),
        serviceObject(database),
        sliceObject(
          database,
          pods.map(pod => ({ pod })),
        ),
      );
      const six = entry('six', 'six.example.com', '10.250.0.2', 'fd00:250::2');
      const wild = entry('wild', '*.wild.example.com', '10.250.0.3');
      const top = entry('top', '*.top', '10.250.0.4');
      await write('entries.yaml', entry('auto', 'Auto.example.com'), six, wild, top, sidecar(at(2)));
      serve = await startServe(folder);
      ends.push(() => serve.stop());
      const admin = `${at(1)}:15000`;
      const where = ['--config', folder, '--xds-address', serve.xds, '--admin-address', admin];
      const bootstrap = parse(await bootstrapText(...where, '--interception', 'NONE', '--dns-capture', 'client'));
      // 127.0.0.1:15053 is everybody's on this machine.
      bootstrap.node.metadata.DNS_PROXY_ADDR = `${at(1)}:15053`;
      envoy = await startEnvoy({ bootstrap: stringify(bootstrap), admin, version, within: mounted(resolvConf) });
      ends.push(() => envoy.stop());
      await until('the Envoy', async () => (await envoy.stat('listener_manager.workers_started')) === 1);
      dns.setServers([`${at(1)}:15053`]);
    });
    after(async () => {
      for (const end of ends.reverse()) await end();
    });

    test('the table, without asking anybody', async () => {
      const [auto] = await resolve('auto.example.com');
      assert.match(String(auto), /^240\.240\./);
      assert.deepEqual(await resolve('AUTO.Example.com'), [auto]);
      assert.deepEqual(await resolve('six.example.com'), ['10.250.0.2']);
      assert.deepEqual(await resolve('six.example.com', 'AAAA'), ['fd00:250::2']);
      assert.deepEqual(await resolve('any.wild.example.com'), ['10.250.0.3']);
      assert.deepEqual(await resolve('web.default.svc.cluster.local'), ['10.96.0.10']);
      assert.deepEqual(await resolve('db.default.svc.cluster.local'), ['10.1.0.1', '10.1.0.2']);
      assert.equal(await resolve('auto.example.com', 'AAAA'), 'ENOTFOUND');
      assert.deepEqual(upstream.asked, []);
      const [answer] = await dns.resolve4('auto.example.com', { ttl: true });
      assert.equal(answer?.ttl, 30);
    });

    test('other names as resolv.conf says, each once and as it was asked', async () => {
      assert.deepEqual(await resolve('www.elsewhere.example'), ['203.0.113.9']);
      assert.equal(await resolve('auto'), 'ENOTFOUND');
      assert.equal(await resolve('auto.example.com.default.svc.cluster.local'), 'ENOTFOUND');
      const expected = ['www.elsewhere.example', 'auto', 'auto.example.com.default.svc.cluster.local'];
      assert.deepEqual(
        upstream.asked,
        expected.map(name => `A ${name}`),
      );
    });

    test('what Envoy cannot do: other types of records, and a name that has no address of a family', async () => {
      assert.equal(await resolve('auto.example.com', 'TXT'), 'ENOTIMP');
      assert.equal(await resolve('www.elsewhere.example', 'AAAA'), 'ENOTFOUND');
    });

    test('nor a wildcard of a top-level domain; names in part are those of search domains, not of the table', async () => {
      assert.equal(await resolve('any.top'), 'ENOTFOUND');
      for (const name of ['web', 'web.default', 'web.default.svc']) assert.equal(await resolve(name), 'ENOTFOUND');
    });

    test('a host that comes, and one that goes', async () => {
      await write('later.yaml', entry('later', 'later.example.com', '10.250.0.9'));
      await until('later.example.com', async () => String(await resolve('later.example.com')) === '10.250.0.9');
      await write('later.yaml', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } });
      await until('none', async () => (await resolve('later.example.com')) === 'ENOTFOUND');
      assert.equal(await envoy.stat('listener_manager.lds.update_rejected'), 0);
      assert.doesNotMatch(serve.log(), /rejected/);
    });
  });
}

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { podToken } from '../../src/security/pod-token.ts';
import { PrivateKey } from '../../src/security/private-key.ts';
import { AdsClient } from '../support/ads-client.ts';
import { selfSigned } from '../support/certificate.ts';
import { startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';
import { streamTo } from '../system/secured.ts';

test('a gateway of a folder has its keys over TLS, for its namespace, and over plaintext from this machine', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'folder-credentials-'));
  const ca = join(folder, '.ca');
  const { certificate, key } = await selfSigned('h.test');
  const objects = ['ingress', 'other'].flatMap(namespace => [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'web', namespace },
      stringData: { 'tls.crt': `${certificate}`, 'tls.key': `${key}` },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'gateway', namespace, labels: { istio: 'ingress' } },
      spec: { containers: [], serviceAccountName: 'gateway' },
    },
  ]);
  const tls = { mode: 'SIMPLE', credentialName: 'kubernetes://ingress/web' };
  const server = { port: { number: 443, name: 'https', protocol: 'HTTPS' }, hosts: ['h.test'], tls };
  const gateway = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'gateway', namespace: 'ingress' },
    spec: { selector: { istio: 'ingress' }, servers: [server] },
  };
  await writeFile(
    join(folder, 'mesh.yaml'),
    [gateway, ...objects].map(object => JSON.stringify(object)).join('\n---\n'),
  );
  const serve = await startServe(['--config', folder, '--ca', ca, '--tls-address', '127.0.0.1:0']);
  t.after(async () => {
    await serve.stop();
    await rm(folder, { recursive: true });
  });
  await until('the TLS port', async () => (await fetch(`http://${serve.http}/ready`)).ok);
  const tokenKey = PrivateKey.read(await readFile(join(ca, 'token-key.pem'), 'utf8'));
  assert.ok(tokenKey instanceof PrivateKey);
  const root = await readFile(join(ca, 'ca-cert.pem'));
  const secured = async (namespace: string) => {
    const subject = { namespace, serviceAccount: 'gateway', pod: 'gateway' };
    const token = await podToken(tokenKey, subject, 600, systemClock.now());
    const id = `router~10.0.0.1~gateway.${namespace}~${namespace}.svc.cluster.local`;
    return streamTo(serve.tls, root, { token }, { id });
  };
  const given = async (ads: AdsClient, mayCome = true) => {
    ads.autoAck = true;
    ads.subscribe('secret', ['kubernetes://ingress/web']);
    const names = (await ads.next('secret')).resources.map(({ name }) => name);
    // What was not given at once comes when the right is known.
    if (!names.length && mayCome) names.push(...(await ads.next('secret')).resources.map(({ name }) => name));
    ads.close();
    return names;
  };
  assert.deepEqual(await given(await secured('ingress')), ['kubernetes://ingress/web']);
  const plaintext = new AdsClient(serve.xds, 'delta', {
    id: 'router~10.0.0.1~gateway.ingress~ingress.svc.cluster.local',
  });
  assert.deepEqual(await given(plaintext), ['kubernetes://ingress/web']);
  assert.deepEqual(await given(await secured('other'), false), []);
});

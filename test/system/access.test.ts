import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import type { KubeObject } from '../../src/kubernetes/object.ts';
import { noApiServer } from '../kubernetes/api-server.ts';
import { AdsClient } from '../support/ads-client.ts';
import { type KeyPair, selfSigned } from '../support/certificate.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';
import { Agent, noAgent } from './agent.ts';
import { Cluster, Secured } from './secured.ts';

const secret = (name: string, { certificate, key }: KeyPair, more: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  type: 'kubernetes.io/tls',
  stringData: { 'tls.crt': `${certificate}`, 'tls.key': `${key}`, ...more },
});

const gateway = (port: number, ...settings: readonly object[]): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'Gateway',
  metadata: { name: 'gateway' },
  spec: {
    selector: { istio: 'ingress' },
    servers: settings.map((tls, i) => ({
      port: { number: port + i, name: `https-${i}`, protocol: 'HTTPS' },
      bind: '127.0.0.1',
      hosts: [`h${i}.test`],
      tls,
    })),
  },
});

const simple = (credentialName: string) => ({ mode: 'SIMPLE', credentialName });

/** What the right to read Secrets of a namespace is given by. */
const readers = (subjects: readonly object[]): readonly KubeObject[] => [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'secrets' },
    rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['list'] }],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'secrets' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'secrets' },
    subjects,
  },
];

const bound: KubeObject = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { name: 'istiod-gateway-credentials' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'istiod-gateway-credentials' },
  subjects: [{ kind: 'ServiceAccount', name: 'istiod', namespace: 'istio-system' }],
};

describe('credentials of gateways, with the rights of deploy/', { skip: noApiServer, timeout: 3_600_000 }, () => {
  let cluster: Cluster;
  let secured: Secured;
  let port: number;
  let first: KeyPair;
  const token = async (namespace: string, account: string, pod: string): Promise<string> =>
    cluster.token({ namespace, account, pod });
  const problems = async (): Promise<string> => (await secured.pilotlight.page('/debug/problems')).body;

  /** A gateway of a namespace that asks for names; what it was sent, kept up to date. */
  async function router(namespace: string, account: string, pod: string, names: readonly string[]) {
    const id = `router~10.0.0.1~${pod}.${namespace}~${namespace}.svc.cluster.local`;
    const ads = secured.stream({ token: await token(namespace, account, pod) }, id, { NAMESPACE: namespace });
    return asking(ads, names);
  }

  function asking(ads: AdsClient, names: readonly string[]) {
    const has = new Map<string, string>();
    ads.autoAck = true;
    ads.subscribe('secret', names);
    return {
      ads,
      /** Resolves once it has these and no others. */
      until: (...expected: readonly string[]) =>
        until(`${expected.join() || 'nothing'} for ${ads.received.length}`, () => {
          for (const { resources, removed } of ads.received.splice(0)) {
            for (const { name, version } of resources) has.set(name, version);
            for (const name of removed) has.delete(name);
          }
          return [...has.keys()].sort().join() === [...expected].sort().join();
        }),
    };
  }

  before(async () => {
    cluster = await Cluster.start();
    // One for each server of the Gateways.
    port = await freePorts(5);
    first = await selfSigned('h0.test');
    for (const name of ['ingress', 'other', 'closed']) {
      await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
      for (const account of ['gateway', 'plain']) {
        await cluster.account(account, name);
        await cluster.pod(`${account}-1`, account, name, { istio: 'ingress' });
      }
      await cluster.apply(secret('web', first, { 'ca.crt': `${first.certificate}` }), name);
      for (const one of readers([{ kind: 'ServiceAccount', name: 'gateway', namespace: name }]))
        await cluster.apply(one, name);
    }
    for (const name of ['ingress', 'other']) await cluster.apply(bound, name);
    await cluster.apply(secret('broken', { ...first, key: Buffer.from('x') }), 'ingress');
    const roots = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'roots' } };
    await cluster.apply({ ...roots, data: { 'ca.crt': `${first.certificate}` } }, 'other');
    const mutual = { mode: 'MUTUAL', credentialName: 'web', caCertCredentialName: 'configmap://other/roots' };
    for (const name of ['ingress', 'closed'])
      await cluster.apply(
        gateway(port, simple('web'), simple('kubernetes://other/web'), simple('broken'), simple('none'), mutual),
        name,
      );
    secured = await Secured.start(cluster, await cluster.kubeconfig());
  });

  after(async () => {
    await secured?.stop();
    await cluster?.close();
  });

  const own = 'kubernetes://web';
  const all = [own, 'kubernetes://other/web', 'kubernetes://broken', 'kubernetes://none', 'configmap://other/roots'];

  test('an account that may list Secrets is given what its Gateways name, and what changes', async () => {
    const one = await router('ingress', 'gateway', 'gateway-1', all);
    await one.until(own, 'configmap://other/roots');
    const said = await problems();
    for (const words of [
      /spec.servers\[1\].tls.credentialName[^}]*proxies of ingress get no Secret of other/,
      /Secret\/ingress\/broken[^}]*must be valid PEM/,
      /spec.servers\[3\].tls.credentialName[^}]*there is no Secret ingress\/none/,
    ])
      assert.match(said, words);
    await cluster.apply(secret('none', await selfSigned('h3.test')), 'ingress');
    await one.until(own, 'kubernetes://none', 'configmap://other/roots');
    assert.doesNotMatch(await problems(), /there is no Secret ingress\/none/);
    one.ads.close();
  });

  test('an account that may not is told so, and has what is public', async () => {
    const one = await router('ingress', 'plain', 'plain-1', all);
    await one.until('configmap://other/roots');
    const message = /the service account ingress\/plain may not list Secrets in ingress/;
    await until('a word', async () => message.test(await problems()));
    const { body } = await secured.pilotlight.page('/debug/syncz');
    assert.match(
      body,
      /"withheld": \[[^}]*"Gateway\/ingress\/gateway spec.servers\[0\].tls.credentialName: the service account/,
    );
    await until('a word in the log', () => secured.pilotlight.said(message).length > 0);
    one.ads.close();
  });

  test('a Secret that the control plane may not read is missing alone, and said', async () => {
    const one = await router('closed', 'gateway', 'gateway-1', [own, 'configmap://other/roots']);
    await one.until('configmap://other/roots');
    await until('a word', async () => /there is no Secret closed\/web that can be read: 403/.test(await problems()));
    await cluster.apply(bound, 'closed');
    await one.until(own, 'configmap://other/roots');
    assert.equal((await secured.pilotlight.page('/ready')).status, 200);
    one.ads.close();
  });

  test('over plaintext nothing is given, also to this machine', async () => {
    const plaintext = new AdsClient(secured.pilotlight.xds, 'delta', {
      id: 'router~10.0.0.1~gateway-1.ingress~ingress.svc.cluster.local',
    });
    after(() => plaintext.close());
    plaintext.subscribe('secret', all);
    const { resources, removed } = await plaintext.next('secret');
    assert.deepEqual([resources.length, [...removed].sort()], [0, [...all].sort()]);
    assert.match(await problems(), /connected over plaintext/);
  });

  test("a real gateway takes its certificate, and a new one; another namespace's never arrives", {
    skip: noAgent,
  }, async () => {
    const pod = { type: 'router', name: 'gateway-1', namespace: 'ingress', account: 'gateway' } as const;
    const agent = await Agent.start(secured.address, secured.root, await token('ingress', 'gateway', 'gateway-1'), pod);
    after(() => agent.stop());
    const shown = (at: number) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({
          host: '127.0.0.1',
          port: at,
          servername: `h${at - port}.test`,
          rejectUnauthorized: false,
        });
        socket.once('error', reject);
        socket.once('secureConnect', () => {
          resolve(socket.getPeerX509Certificate()?.serialNumber ?? '');
          socket.destroy();
        });
      });
    const serial = ({ certificate }: KeyPair) => new X509Certificate(certificate).serialNumber;
    await until('the certificate', async () => (await shown(port)) === serial(first));
    const second = await selfSigned('h0.test');
    await cluster.apply(secret('web', second, { 'ca.crt': `${second.certificate}` }), 'ingress');
    await until('the new certificate', async () => (await shown(port)) === serial(second));
    await assert.rejects(shown(port + 1));
    const held = await agent.admin('/config_dump?resource=dynamic_active_secrets');
    assert.match(held, /kubernetes:\/\/web/);
    assert.doesNotMatch(held, /kubernetes:\/\/other\/web/);
    await agent.stop();
  });
});

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { ChannelCredentials, status } from '@grpc/grpc-js';
import type { ApiClient } from '../../src/kubernetes/api-client.ts';
import type { KubeObject, Resource } from '../../src/kubernetes/object.ts';
import { untilAborted, Writer } from '../../src/kubernetes/writer.ts';
import { ApiServer, noApiServer } from '../kubernetes/api-server.ts';
import { newCsr, newKey, openssl } from '../security/openssl.ts';
import { AdsClient } from '../support/ads-client.ts';
import { freePorts } from '../support/free-ports.ts';
import { OidcIssuer } from '../support/oidc-issuer.ts';
import { until } from '../support/until.ts';
import { Agent, noAgent } from './agent.ts';
import { Pilotlight } from './pilotlight.ts';
import { type Shown, signedBy, streamTo } from './secured.ts';

/** This machine as others reach it. */
const elsewhere = Object.values(networkInterfaces())
  .flatMap(list => list ?? [])
  .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

const SECRETS: Resource = { apiVersion: 'v1', plural: 'secrets' };
const system = { namespace: 'istio-system' };

let api: ApiServer;
let client: ApiClient;
let admin: Writer;
let kubeconfig: string;
const stop = new AbortController();

const object = (kind: string, namespace: string | undefined, name: string, rest: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, ...(namespace && { namespace }) },
  ...rest,
});

async function makePod(namespace: string, account: string, name: string): Promise<void> {
  const spec = { serviceAccountName: account, containers: [{ name: 'app', image: 'app' }] };
  await admin.apply({ apiVersion: 'v1', plural: 'pods' }, object('Pod', namespace, name, { spec }));
}

/** A token as the kubelet gives it to a pod. */
async function tokenOf(pod: string | undefined, account: string, audience = 'istio-ca'): Promise<string> {
  const boundObjectRef = pod && { apiVersion: 'v1', kind: 'Pod', name: pod };
  const spec = { audiences: [audience], ...(boundObjectRef && { boundObjectRef }) };
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
  const answer = await client.json(`/api/v1/namespaces/default/serviceaccounts/${account}/token`, {
    method: 'POST',
    body,
  });
  return (answer as { status: { token: string } }).status.token;
}

/** The root of the mesh, once there is one. */
const rootOf = (): Promise<Buffer> =>
  until('the root', async () => {
    const secret = await admin.get(SECRETS, { ...system, name: 'istio-ca-secret' });
    const text = (secret?.['data'] as Record<string, string> | undefined)?.['ca-cert.pem'];
    return text ? Buffer.from(text, 'base64') : undefined;
  });

/** A control plane with a TLS port. */
class Secured {
  readonly pilotlight: Pilotlight;
  readonly address: string;

  constructor(pilotlight: Pilotlight, address: string) {
    this.pilotlight = pilotlight;
    this.address = address;
  }

  static async start(...args: readonly string[]): Promise<Secured> {
    const address = `127.0.0.1:${await freePorts()}`;
    const pilotlight = await Pilotlight.serve('--kubeconfig', kubeconfig, '--tls-address', address, ...args);
    after(() => pilotlight.stop());
    return new Secured(pilotlight, address);
  }

  async opened(): Promise<this> {
    await until('the TLS port', () => this.pilotlight.said(/proxies connect over TLS/).length > 0);
    return this;
  }

  /** An ADS stream of a proxy that trusts `root` and shows this. */
  stream(root: Buffer, shown: Shown, node: string): AdsClient {
    const ads = streamTo(this.address, root, shown, { id: `sidecar~10.0.0.1~${node}~default.svc.cluster.local` });
    ads.subscribe('cluster');
    return ads;
  }

  /** Has a CSR signed; resolves with the chain, or rejects with the status. */
  sign(root: Buffer, token: string | undefined, request: { csr: string }): Promise<readonly string[]> {
    return signedBy(this.address, root, token, request);
  }
}

describe('with a real API server', { skip: noApiServer, timeout: 3_600_000 }, () => {
  before(async () => {
    api = await ApiServer.start();
    client = await api.client();
    admin = new Writer({ client, fieldManager: 'test', permit: untilAborted(stop.signal) });
    kubeconfig = await api.kubeconfig({ token: 'admintoken' });
    for (const name of ['istio-system', 'other'])
      await admin.apply({ apiVersion: 'v1', plural: 'namespaces' }, object('Namespace', undefined, name));
    for (const name of ['app', 'second'])
      await admin.apply({ apiVersion: 'v1', plural: 'serviceaccounts' }, object('ServiceAccount', 'default', name));
    await makePod('default', 'app', 'app-1');
    await makePod('default', 'app', 'app-2');
  });
  after(() => {
    stop.abort();
    return api?.close();
  });

  test('replicas that start together serve by one root, which is made once', async () => {
    const both = await Promise.all([Secured.start(), Secured.start()]);
    const root = await rootOf();
    const token = await tokenOf('app-1', 'app');
    for (const one of both) {
      await one.opened();
      const { resources } = await one.stream(root, { token }, 'app-1.default').next('cluster');
      assert.ok(resources.length > 0);
    }
    const written = () => both.flatMap(one => one.pilotlight.said(/root of the mesh was written/)).length;
    await until('the log to tell of the root', () => written() > 0);
    assert.equal(written(), 1);
    await Promise.all(both.map(one => one.pilotlight.stop()));
  });

  test('a certificate is for its caller, leads to the root, and proves who its caller is', async () => {
    const secured = await (await Secured.start()).opened();
    const root = await rootOf();
    const key = newKey('P-256');
    const chain = await secured.sign(root, await tokenOf('app-1', 'app'), {
      csr: newCsr(key, 'URI:spiffe://cluster.local/ns/other/sa/admin'),
    });
    const [leaf = '', roots = ''] = chain;
    assert.equal(chain.length, 2);
    assert.equal(roots.trim(), root.toString().trim());
    const uri = 'spiffe://cluster.local/ns/default/sa/app';
    assert.equal(new X509Certificate(leaf).subjectAltName, `URI:${uri}`, 'the identity of the caller, not of the CSR');
    openssl(['verify', '-x509_strict', '-CAfile', 'root.pem', 'leaf.pem'], { 'root.pem': roots, 'leaf.pem': leaf });
    await secured.stream(root, { pair: [key, leaf] }, 'app-1.default').next('cluster');
    await secured.stream(root, { token: await tokenOf(undefined, 'app') }, 'app-7.default').next('cluster');
    await secured.pilotlight.stop();
  });

  test('tokens of an issuer, after a certificate and before those of the cluster', async () => {
    const issuer = await OidcIssuer.start();
    after(() => issuer.close());
    const rule = JSON.stringify({ issuer: issuer.url, audiences: ['mesh'] });
    const secured = await (await Secured.start('--jwt-rule', rule, '--jwks-allow', '127.0.0.0/8')).opened();
    const root = await rootOf();
    const key = newKey('P-256');
    const csr = newCsr(key);
    const names = async (token: string): Promise<string | undefined> =>
      new X509Certificate((await secured.sign(root, token, { csr }))[0] ?? '').subjectAltName;
    const token = await issuer.token('default', 'second', 'mesh');
    assert.equal(await names(token), 'URI:spiffe://cluster.local/ns/default/sa/second');
    assert.equal(await names(await tokenOf('app-1', 'app')), 'URI:spiffe://cluster.local/ns/default/sa/app');
    await assert.rejects(names(await issuer.token('default', 'second')), { code: status.UNAUTHENTICATED });
    await secured.stream(root, { token }, 'second-1.default').next('cluster');
    const [leaf = ''] = await secured.sign(root, await tokenOf('app-1', 'app'), { csr });
    await secured.stream(root, { token, pair: [key, leaf] }, 'app-1.default').next('cluster');
    const { code } = await secured.stream(root, { token, pair: [key, leaf] }, 'second-1.other').ended;
    assert.equal(code, status.PERMISSION_DENIED);
    await secured.pilotlight.stop();
  });

  test('pages for who comes with a token of the cluster from elsewhere', { skip: !elsewhere }, async () => {
    const pages = `http://${elsewhere}:${await freePorts()}`;
    const { pilotlight } = await Secured.start('--monitoring-address', pages.replace('http://', ''));
    const asks = async (path: string, token?: string): Promise<number> =>
      (await fetch(`${pages}${path}`, { headers: token ? { authorization: `Bearer ${token}` } : {} })).status;
    await until('the pages', () => asks('/metrics').catch(() => 0));
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: ['istio-ca'] } };
    const path = '/api/v1/namespaces/istio-system/serviceaccounts/default/token';
    await admin.apply(
      { apiVersion: 'v1', plural: 'serviceaccounts' },
      object('ServiceAccount', 'istio-system', 'default'),
    );
    const system = (await client.json(path, { method: 'POST', body })) as { status: { token: string } };
    const own = await tokenOf('app-1', 'app');
    await until('the control plane', async () => (await asks('/ready')) === 200);
    assert.deepEqual(
      await Promise.all([asks('/debug/syncz'), asks('/debug/syncz', own), asks('/debug/syncz', system.status.token)]),
      [401, 403, 200],
    );
    assert.equal(await asks('/debug/config_dump?proxyID=a.b', own), 404);
    assert.equal(await asks('/debug/syncz', await tokenOf('app-1', 'app', 'kubernetes')), 401);
    await pilotlight.stop();
  });

  test("Istio's own agent gets its certificate, and its Envoy what it is to do", { skip: noAgent }, async () => {
    const secured = await (await Secured.start()).opened();
    const agent = await Agent.start(secured.address, await rootOf(), await tokenOf('app-1', 'app'));
    after(() => agent.stop());
    await agent.isReady();
    const secrets = await agent.admin('/certs');
    assert.match(secrets, /spiffe:\/\/cluster.local\/ns\/default\/sa\/app/);
    const config = await agent.admin('/config_dump?resource=dynamic_active_secrets');
    for (const name of ['default', 'ROOTCA']) assert.match(config, new RegExp(`"name": "${name}"`));
    assert.equal(secured.pilotlight.said(/rejected what it was sent|a proxy was refused/).length, 0);
    await agent.stop();
    await secured.pilotlight.stop();
  });

  test('the Secret of the root that is deleted is written again, with the same root', async () => {
    const secured = await (await Secured.start()).opened();
    const root = await rootOf();
    await admin.delete(SECRETS, { ...system, name: 'istio-ca-secret' });
    assert.equal(`${await rootOf()}`, `${root}`);
    await secured.pilotlight.stop();
  });

  test('over TLS alone: nothing listens in plaintext', async () => {
    const secured = await (await Secured.start('--xds-address', '')).opened();
    await until('it to be ready', async () => (await secured.pilotlight.page('/ready')).status === 200);
    const token = await tokenOf('app-1', 'app');
    await secured.stream(await rootOf(), { token }, 'app-1.default').next('cluster');
    const { xds } = secured.pilotlight;
    const plaintext = new AdsClient(xds, 'delta', { id: 'sidecar~10.0.0.1~app-1.default~default.svc.cluster.local' });
    after(() => plaintext.close());
    plaintext.subscribe('cluster');
    const { code, details } = await plaintext.ended;
    assert.equal(code, status.UNAVAILABLE);
    assert.match(details, /ECONNREFUSED/);
    await secured.pilotlight.stop();
  });

  test('a broken cacerts is said, and nothing is served or made beside it; mended it is served by', async () => {
    // As in a mesh that never had an authority.
    await admin.delete(SECRETS, { ...system, name: 'pilotlight-ca-rotation' });
    await admin.delete(SECRETS, { ...system, name: 'istio-ca-secret' });
    const data = { 'ca-cert.pem': Buffer.from('x').toString('base64') };
    const cacerts = object('Secret', 'istio-system', 'cacerts', { data });
    await admin.create(SECRETS, cacerts);
    const secured = await Secured.start();
    const { pilotlight } = secured;
    await until('a word', () => pilotlight.said(/Secret\/istio-system\/cacerts ca-key.pem: is missing/).length > 0);
    assert.equal(pilotlight.said(/proxies connect over TLS/).length, 0);
    const why = /^not ready: the TLS port is closed: .*Secret\/istio-system\/cacerts ca-key\.pem: is missing/;
    for (const path of ['/ready', '/ready?verbose']) {
      const { status, body } = await pilotlight.page(path);
      assert.equal(status, 503);
      assert.match(body, why);
    }
    const problems = JSON.parse((await pilotlight.page('/debug/problems')).body) as readonly object[];
    assert.ok(
      problems.some(
        one =>
          'path' in one &&
          one.path === 'ca-key.pem' &&
          'object' in one &&
          `${one.object}` === 'Secret/istio-system/cacerts',
      ),
    );
    const ads = new AdsClient(secured.address, 'delta', { id: 'x' }, { credentials: ChannelCredentials.createSsl() });
    after(() => ads.close());
    ads.subscribe('cluster');
    assert.match((await ads.ended).details, /ECONNREFUSED/, 'nothing listens');
    assert.equal(await admin.get(SECRETS, { ...system, name: 'istio-ca-secret' }), undefined);
    const key = openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']);
    const files = { 'key.pem': key };
    const extensions = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    const args = ['req', '-x509', '-new', '-key', 'key.pem', '-subj', '/O=plugged', '-days', '30', ...extensions];
    const certificate = openssl(args, files);
    const mended = {
      'ca-cert.pem': certificate,
      'ca-key.pem': key,
      'root-cert.pem': certificate,
      'cert-chain.pem': '',
    };
    await admin.patch(SECRETS, { ...system, name: 'cacerts' }, { stringData: mended });
    await secured.opened();
    assert.equal((await pilotlight.page('/ready')).status, 200);
    assert.deepEqual(JSON.parse((await pilotlight.page('/debug/problems')).body), []);
    const token = await tokenOf('app-1', 'app');
    await secured.stream(Buffer.from(certificate), { token }, 'app-1.default').next('cluster');
    await pilotlight.stop();
    await admin.delete(SECRETS, { ...system, name: 'cacerts' });
  });
});

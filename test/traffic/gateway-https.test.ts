import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { stringify } from 'yaml';
import { bootstrapText } from '../support/bootstrap.ts';
import { type KeyPair, selfSigned } from '../support/certificate.ts';
import { type Envoy, envoyMissing, startEnvoy } from '../support/envoy.ts';
import { podObject, serviceObject, sliceObject } from '../support/kube-objects.ts';
import { loopbackNetwork } from '../support/local-pod.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';
import { type Backend, startBackend } from './backend.ts';

const missing = await envoyMissing();
const HOST = 'shop.example.com';
const PORT = 8080;
const HTTPS = 8443;

interface Reply {
  readonly status: number;
  readonly serial: string;
}

describe('an HTTPS Gateway with a credentialName', { skip: missing }, () => {
  const at = loopbackNetwork();
  const gateway = { name: 'gateway', labels: { istio: 'ingressgateway' }, address: at(1) };
  let folder: string;
  let backend: Backend;
  let serve: Serve;
  let envoy: Envoy;

  const write = async (name: string, ...objects: readonly object[]): Promise<void> => {
    await writeFile(join(folder, `.${name}`), objects.map(o => stringify(o)).join('---\n'));
    await rename(join(folder, `.${name}`), join(folder, name));
  };

  const credential = ({ certificate, key }: KeyPair): object => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'shop-cert', namespace: 'default' },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': certificate.toString('base64'), 'tls.key': key.toString('base64') },
  });

  const ask = (path: string): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const options = {
        host: gateway.address,
        port: HTTPS,
        path,
        servername: HOST,
        headers: { host: HOST },
        rejectUnauthorized: false,
        agent: false,
      };
      request(options, response => {
        const peer: PeerCertificate = (response.socket as TLSSocket).getPeerCertificate();
        response.resume().once('end', () => resolve({ status: response.statusCode ?? 0, serial: peer.serialNumber }));
      })
        .once('error', reject)
        .end();
    });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pilotlight-gateway-'));
    backend = await startBackend('v1', at(10), PORT);
    const pod = { name: 'shop', labels: { app: 'shop' }, address: backend.address };
    await write(
      'mesh.yaml',
      podObject(gateway),
      podObject(pod),
      serviceObject({ name: 'shop', clusterIP: '10.96.0.1', selector: { app: 'shop' }, port: PORT, targetPort: PORT }),
      sliceObject({ name: 'shop', targetPort: PORT }, [{ pod }]),
      {
        apiVersion: 'networking.istio.io/v1',
        kind: 'Gateway',
        metadata: { name: 'gateway', namespace: 'default' },
        spec: {
          selector: gateway.labels,
          servers: [
            {
              port: { number: HTTPS, name: 'https', protocol: 'HTTPS' },
              bind: gateway.address,
              hosts: [HOST],
              tls: { mode: 'SIMPLE', credentialName: 'shop-cert' },
            },
          ],
        },
      },
      {
        apiVersion: 'networking.istio.io/v1',
        kind: 'VirtualService',
        metadata: { name: 'shop', namespace: 'default' },
        spec: {
          hosts: [HOST],
          gateways: ['gateway'],
          http: [{ match: [{ uri: { prefix: '/shop' } }], route: [{ destination: { host: 'shop' } }] }],
        },
      },
    );
    serve = await startServe(folder);
    const admin = `${gateway.address}:15000`;
    const bootstrap = await bootstrapText(
      ...['--config', folder, '--type', 'router', gateway.name, '--xds-address', serve.xds, '--admin-address', admin],
    );
    envoy = await startEnvoy({ bootstrap, admin });
  });

  after(async () => {
    await envoy?.stop();
    await serve?.stop();
    await backend?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('routes by path once the Secret is there, and takes a new certificate without a new connection refused', async () => {
    const [first, second] = await Promise.all([selfSigned(HOST), selfSigned(HOST)]);
    await write('secret.yaml', credential(first));
    const before = await until('the gateway to answer', () => ask('/shop'));
    assert.equal(before.status, 200);
    assert.equal((await ask('/elsewhere')).status, 404);

    await write('secret.yaml', credential(second));
    await until('the new certificate', async () => {
      const reply = await ask('/shop');
      assert.equal(reply.status, 200);
      return reply.serial !== before.serial;
    });
    assert.match(await envoy.admin('/stats?filter=update_rejected'), /^(?!.*: [1-9])/s);
  });
});

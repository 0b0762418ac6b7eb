import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { noApiServer } from '../kubernetes/api-server.ts';
import { newCertificate } from '../security/openssl.ts';
import { until } from '../support/until.ts';
import { noAgent } from './agent.ts';
import { Load, strict } from './load.ts';
import { SecureMesh } from './secure-mesh.ts';

const SECRETS = '/api/v1/namespaces/istio-system/secrets';

const certificates = (pem: string): readonly string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

describe('all that vouches for proxies is replaced under load', {
  skip: noApiServer || noAgent,
  timeout: 3_600_000,
}, () => {
  let mesh: SecureMesh;
  /** What the kubelets do. */
  const kubelet = new AbortController();
  let mounting = Promise.resolve();

  before(async () => {
    const pods = { one: 'agent', two: 'agent', stock: 'envoy', plain: 'none' } as const;
    mesh = await SecureMesh.start(pods, { life: 10, pace: 1 });
    await mesh.apply(strict);
    let mounted = '';
    mounting = (async () => {
      while (!kubelet.signal.aborted) {
        const roots = await mesh.roots().catch(() => '');
        if (roots && roots !== mounted) await mesh.mount(roots);
        mounted = roots || mounted;
        await pause(200);
      }
    })();
  });
  after(async () => {
    kubelet.abort();
    await mounting;
    await mesh?.stop();
  });

  const serving = async (): Promise<string> =>
    /pilotlight_certificate_expiry_timestamp\{role="serving",serial="(\w+)"/.exec(
      await mesh.page('/metrics', 'plain'),
    )?.[1] ?? '';

  /** A rotation of the roots from its beginning to its end: what was trusted at each step. */
  async function rotated(begin: () => Promise<void>): Promise<readonly (readonly string[])[]> {
    const seen: (readonly string[])[] = [certificates(await mesh.roots())];
    await begin();
    await until(
      'the end of the rotation',
      async () => {
        const roots = certificates(await mesh.roots());
        if (roots.join() !== seen.at(-1)?.join()) seen.push(roots);
        return seen.length === 3;
      },
      600_000,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${mesh.log().slice(-4_000)}`);
    });
    return seen;
  }

  test('the root by another, then by cacerts, the serving certificate with each step: no request is lost', async () => {
    const [from, to] = ['plain', 'one'];
    await until('plaintext to be refused', async () => (await mesh.call(from, to)).status !== 200);
    for (const [client, server] of [
      ['one', 'two'],
      ['stock', 'one'],
    ] as const)
      await until('the first answer', async () => (await mesh.call(client, server)).status === 200);
    const shown = new Set([await serving()]);
    const load = new Load(mesh, [
      ['one', 'two'],
      ['two', 'one'],
      ['stock', 'two'],
      ['one', 'stock'],
    ]);
    let rate = 0;
    try {
      const own = await rotated(() =>
        mesh.patch(`${SECRETS}/istio-ca-secret`, { metadata: { annotations: { 'pilotlight.io/rotate-root': '' } } }),
      );
      shown.add(await serving());
      assert.deepEqual(own[1], [...(own[0] ?? []), ...(own[2] ?? [])], 'the old root beside the new one');
      assert.notDeepEqual(own[0], own[2]);
      const root = newCertificate({ subject: '/O=plugged' });
      const signer = newCertificate({ subject: '/O=signer', signer: root, kind: 'P-384' });
      const stringData = {
        'ca-cert.pem': signer.certificate,
        'ca-key.pem': signer.key,
        'cert-chain.pem': signer.certificate,
        'root-cert.pem': root.certificate,
      };
      const plugged = await rotated(() =>
        mesh
          .apply(
            JSON.stringify({
              apiVersion: 'v1',
              kind: 'Secret',
              metadata: { name: 'cacerts', namespace: 'istio-system' },
              stringData,
            }),
          )
          .then(() => undefined),
      );
      shown.add(await serving());
      assert.deepEqual(plugged.at(-1), certificates(root.certificate));
      await until('a thousand requests', () => load.asked > 1_000);
    } finally {
      rate = await load.stop();
    }
    assert.deepEqual(load.lost.slice(0, 3), [], `${load.lost.length} of ${load.asked}`);
    assert.equal(shown.size, 3, 'the serving certificate was another each time');
    const metrics = await mesh.page('/metrics', 'plain');
    for (const name of ['root_cert_expiry_timestamp', 'cert_chain_expiry_timestamp']) {
      const expiry = Number(new RegExp(`^citadel_server_${name} (\\d+)$`, 'm').exec(metrics)?.[1]) * 1_000;
      assert.ok(Math.abs(expiry - Date.now() - 30 * 86_400_000) < 3_600_000, `${name}: ${expiry}`);
    }
    assert.match(metrics, /^pilotlight_root_rotation\{step="settled"\} 1$/m);
    assert.match(metrics, /^pilotlight_root_rotation_waiting 0$/m);
    assert.doesNotMatch(mesh.log(), /rejected what it was sent/);
    console.log(`# ${load.asked} requests, ${Math.round(rate)} a second`);
  });
});

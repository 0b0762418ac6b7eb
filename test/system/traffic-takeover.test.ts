import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { noApiServer } from '../kubernetes/api-server.ts';
import { textOfCertificate, verify } from '../security/openssl.ts';
import { until } from '../support/until.ts';
import { noAgent } from './agent.ts';
import { noIstiod } from './istiod.ts';
import { Load, strict } from './load.ts';
import { SecureMesh } from './secure-mesh.ts';

interface Secrets {
  readonly configs: readonly {
    readonly name: string;
    readonly secret: { readonly tls_certificate?: { readonly certificate_chain: { readonly inline_bytes: string } } };
  }[];
}

describe('a mesh is taken over from the real istiod', {
  skip: noApiServer || noAgent || noIstiod,
  timeout: 3_600_000,
}, () => {
  let mesh: SecureMesh;
  before(async () => {
    mesh = await SecureMesh.start({ one: 'agent', two: 'agent', plain: 'none' }, { istiod: true, life: 20 });
    await mesh.apply(strict);
  });
  after(() => mesh?.stop());

  /** The certificate that a pod's Envoy shows now. */
  async function leafOf(name: string): Promise<string> {
    const { body } = await mesh.local(name, 15000, '/config_dump?resource=dynamic_active_secrets');
    const { configs } = JSON.parse(body) as Secrets;
    const found = configs.find(one => one.name === 'default')?.secret.tls_certificate?.certificate_chain.inline_bytes;
    return Buffer.from(found ?? '', 'base64').toString();
  }
  const root = async (): Promise<string> => (await mesh.secret('istio-system', 'istio-ca-secret'))['ca-cert.pem'] ?? '';

  test('no request is lost, and what istiod has signed and what we sign leads to the same root', async () => {
    await until('plaintext to be refused', async () => (await mesh.call('plain', 'one')).status !== 200);
    for (const [from, to] of [
      ['one', 'two'],
      ['two', 'one'],
    ] as const)
      await until('the first answer', async () => (await mesh.call(from, to)).status === 200);
    const istiods = await root();
    assert.equal(new X509Certificate(istiods).publicKey.asymmetricKeyType, 'rsa');
    const load = new Load(mesh, [
      ['one', 'two'],
      ['two', 'one'],
    ]);
    let rate = 0;
    try {
      await mesh.takeOver();
      const before = await Promise.all(['one', 'two'].map(leafOf));
      for (const leaf of before) verify(leaf, '', istiods);
      await until('our configuration', async () => {
        const counted = /pilot_xds_pushes\{type="lds"\} (\d+)/.exec(await mesh.page('/metrics', 'plain'))?.[1];
        return Number(counted) >= 2;
      });
      await until('new certificates', async () => {
        const now = await Promise.all(['one', 'two'].map(leafOf));
        return now.every((leaf, i) => leaf !== before[i]);
      });
      for (const leaf of await Promise.all(['one', 'two'].map(leafOf))) {
        verify(leaf, '', istiods);
        assert.match(textOfCertificate(leaf), /Signature Algorithm: sha256WithRSAEncryption/);
      }
      await until('500 requests', () => load.asked > 500);
    } finally {
      rate = await load.stop();
    }
    assert.equal(await root(), istiods, 'the root is what it was');
    assert.equal((await mesh.roots()).trim(), istiods.trim());
    assert.deepEqual(load.lost.slice(0, 3), [], `${load.lost.length} of ${load.asked}`);
    assert.notEqual((await mesh.call('plain', 'one')).status, 200, 'plaintext is still refused');
    assert.doesNotMatch(mesh.log(), /rejected what it was sent/);
    console.log(`# ${load.asked} requests, ${Math.round(rate)} a second`);
  });
});

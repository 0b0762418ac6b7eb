import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { AdsClient } from '../support/ads-client.ts';
import { envoyMissing, OLDEST_ENVOY_VERSION } from '../support/envoy.ts';
import type { Answer } from '../support/http.ts';
import { until } from '../support/until.ts';
import { clientOf, idOf, LoopbackMesh } from './loopback-mesh.ts';

const skip = (await envoyMissing()) || (await envoyMissing(OLDEST_ENVOY_VERSION));

const peerAuthentication = (mode: string): string => `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: ${mode}}}
`;

describe('stock Envoys with certificates over ADS', { skip, timeout: 3_600_000 }, () => {
  let mesh: LoopbackMesh;

  before(async () => {
    mesh = await LoopbackMesh.start(['client', 'server']);
    await Promise.all([mesh.envoy('client'), mesh.envoy('server', OLDEST_ENVOY_VERSION)]);
  });
  after(() => mesh?.stop());

  /** Whether a call without TLS is answered. */
  const takesPlaintext = (): Promise<boolean> =>
    mesh.plainly('server').then(
      ({ status }) => status === 200,
      () => false,
    );

  const askedBy = async (): Promise<string | undefined> => {
    const answer = await mesh.ask('client', 'server');
    assert.equal(answer.status, 200, answer.body);
    return clientOf(answer);
  };

  test('PERMISSIVE takes both, STRICT mutual TLS alone, DISABLE plaintext', async () => {
    assert.equal(await askedBy(), idOf('client'));
    const plain: Answer = await mesh.plainly('server');
    assert.equal(plain.status, 200);
    assert.equal(clientOf(plain), undefined);

    await mesh.write('mode.yaml', peerAuthentication('STRICT'));
    await until('plaintext to be refused', async () => !(await takesPlaintext()));
    assert.equal(await askedBy(), idOf('client'));

    await mesh.write('mode.yaml', peerAuthentication('DISABLE'));
    await until('plaintext from the client', async () => (await askedBy()) === undefined);
    assert.ok(await takesPlaintext());

    await mesh.write('mode.yaml', peerAuthentication('STRICT'));
    await until('plaintext to be refused', async () => !(await takesPlaintext()));
    await until('mutual TLS from the client', async () => (await askedBy().catch(() => '')) === idOf('client'));
  });

  test('a stream in plaintext that says it is the same pod gets nothing', async () => {
    const ads = new AdsClient(mesh.plaintext, 'delta', {
      id: `sidecar~${mesh.pod('server').address}~server.default~default.svc.cluster.local`,
    });
    after(() => ads.close());
    ads.subscribe('secret', ['default', 'ROOTCA']);
    const { resources, removed } = await ads.next('secret');
    assert.deepEqual([resources, removed.toSorted()], [[], ['ROOTCA', 'default']]);
  });
});

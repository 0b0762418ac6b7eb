import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { envoyMissing, OLDEST_ENVOY_VERSION } from '../support/envoy.ts';
import { until } from '../support/until.ts';
import type { Received } from './backend.ts';
import { type LocalMesh, startMesh } from './local-mesh.ts';

const missing = await envoyMissing(OLDEST_ENVOY_VERSION);

const route = (subset: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: [web]
  http:
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: web, subset: v2}}]
  - match: [{uri: {prefix: /broken}}]
    fault: {abort: {percentage: {value: 100}, httpStatus: 418}, delay: {percentage: {value: 100}, fixedDelay: 0.01s}}
    route: [{destination: {host: web, subset: v2}}]
  - timeout: 10s
    retries: {attempts: 2, retryOn: 5xx}
    rewrite: {uri: /rewritten}
    route: [{destination: {host: web, subset: ${subset}}}]
`;

describe(`Envoy ${OLDEST_ENVOY_VERSION}`, { skip: missing, timeout: 3_600_000 }, () => {
  let mesh: LocalMesh;
  before(async () => {
    mesh = await startMesh({ services: ['web', 'other'], yaml: route('v1'), envoy: OLDEST_ENVOY_VERSION });
  });
  after(() => mesh?.stop());

  const asked = async (headers: Readonly<Record<string, string>> = {}): Promise<string> => {
    const { status, body } = await mesh.ask('web', { headers });
    if (status !== 200) return String(status);
    const { pod, path } = JSON.parse(body) as Received;
    return `${pod} ${path}`;
  };

  test('routes by header, rewrites, tries again and aborts', async () => {
    assert.equal(await asked(), 'v1 /rewritten');
    assert.equal(await asked({ 'end-user': 'jason' }), 'v2 /');
    assert.equal(await asked({ 'x-fail': '2', 'x-request': 'failing' }), 'v1 /rewritten');
    assert.equal((await mesh.ask('web', { path: '/broken' })).status, 418);
  });

  test('follows a change', async () => {
    await mesh.write('users.yaml', route('v3'));
    await until('v3', async () => (await asked()) === 'v3 /rewritten');
  });

  test('rejected nothing', () => mesh.assertNothingRejected());
});

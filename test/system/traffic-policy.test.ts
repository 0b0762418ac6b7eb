import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { AppAnswer, AppRequest } from '../support/pod.ts';
import { until } from '../support/until.ts';
import { PodMesh, whoAnswered } from './pod-mesh.ts';

const ORDERS = '10.96.0.90';
/** A server that is no part of the cluster, and one that nobody has written down. */
const PARTNER = '203.0.113.10';
const STRANGER = '203.0.113.20';

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const others = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ISSUER = 'testing@secure.istio.io';

const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function token(claims: object, { privateKey } = keys): string {
  const signed = `${base64({ alg: 'RS256', kid: 'k1', typ: 'JWT' })}.${base64(claims)}`;
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(privateKey, 'base64url')}`;
}

const inAnHour = (): number => Math.floor(Date.now() / 1000) + 3600;

const jwks = JSON.stringify({ keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256' }] });

const serviceEntry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: partner, namespace: default}
spec:
  hosts: [partner.example]
  addresses: [${PARTNER}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 9000, name: tcp, protocol: TCP}]
  endpoints: [{address: ${PARTNER}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: partner, namespace: default}
spec:
  hosts: [partner.example]
  http: [{match: [{uri: {prefix: /old/}}], rewrite: {uri: /new/}, route: [{destination: {host: partner.example}}]},
         {route: [{destination: {host: partner.example}}]}]
---
`;

const authorization = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: orders-admin, namespace: default}
spec:
  selector: {matchLabels: {app: orders}}
  action: DENY
  rules:
  - to: [{operation: {paths: [/admin*]}}]
    when: [{key: 'request.headers[x-role]', notValues: [admin]}]
---
`;

const authentication = `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: orders, namespace: default}
spec:
  selector: {matchLabels: {app: orders}}
  jwtRules: [{issuer: ${ISSUER}, jwks: '${jwks}'}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: orders-token, namespace: default}
spec:
  selector: {matchLabels: {app: orders}}
  action: DENY
  rules:
  - from: [{source: {notRequestPrincipals: ['*']}}]
    to: [{operation: {paths: [/private*]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: orders-group, namespace: default}
spec:
  selector: {matchLabels: {app: orders}}
  action: DENY
  rules:
  - to: [{operation: {paths: [/private/group]}}]
    when: [{key: 'request.auth.claims[groups]', notValues: [bookkeepers]}]
---
`;

describe('what is let out and in', { timeout: 3_600_000 }, () => {
  let mesh: PodMesh;
  before(async () => {
    mesh = await PodMesh.start({
      pods: [
        { name: 'shop', labels: { app: 'shop' } },
        { name: 'orders', labels: { app: 'orders' }, ports: [8080, 9090] },
        { name: 'partner', labels: {}, ports: [80, 9000], proxy: 'none', outside: true, address: PARTNER },
        { name: 'stranger', labels: {}, ports: [80, 9000], proxy: 'none', outside: true, address: STRANGER },
      ],
      services: [{ name: 'orders', clusterIP: ORDERS, selector: { app: 'orders' }, port: 80, targetPort: 8080 }],
      yaml: serviceEntry + authorization + authentication,
      meshConfig: 'outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n',
    });
  });
  after(() => mesh?.stop());

  async function ask(request: Partial<AppRequest>): Promise<AppAnswer> {
    const [answer] = await mesh
      .pod('shop')
      .app.calls({ address: ORDERS, port: 80, host: 'orders', fresh: true, ...request });
    if (!answer) throw new Error('no answer');
    return answer;
  }
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` });

  test('REGISTRY_ONLY: a ServiceEntry is reached, over HTTP and TCP, and its VirtualService counts', async () => {
    const http = { address: PARTNER, port: 80, host: 'partner.example' };
    assert.equal(whoAnswered(await ask(http)), 'partner');
    assert.match((await ask({ ...http, path: '/old/page' })).body, /"path":"\/new\/page"/);
    assert.equal(whoAnswered(await ask({ ...http, port: 9000 })), 'partner');
  });

  test('REGISTRY_ONLY: what nobody has written down is not', async () => {
    assert.equal((await ask({ address: STRANGER, port: 80, host: 'stranger.example' })).status, 502);
    const { status, body } = await ask({ address: STRANGER, port: 9000, host: 'stranger.example' });
    assert.deepEqual({ status, body }, { status: 0, body: 'ECONNRESET' });
  });

  test('an AuthorizationPolicy answers 403', async () => {
    assert.equal((await ask({ path: '/' })).status, 200);
    const denied = await ask({ path: '/admin/users' });
    assert.deepEqual([denied.status, denied.body], [403, 'RBAC: access denied']);
    assert.equal((await ask({ path: '/admin/users', headers: { 'x-role': 'admin' } })).status, 200);
  });

  test('a policy also holds for who calls the pod past its Service', async () => {
    const { address } = mesh.pod('orders');
    const to = { address, port: 8080, host: 'anything' };
    const [denied] = await mesh.pod('stranger').app.calls({ ...to, path: '/admin' });
    const [allowed] = await mesh.pod('stranger').app.calls({ ...to, path: '/' });
    assert.deepEqual([denied?.status, allowed?.status], [403, 200]);
  });

  test('a token: none 403 where one is asked for, a wrong one 401, a right one 200', async () => {
    const good = token({ iss: ISSUER, sub: ISSUER, exp: inAnHour(), groups: ['bookkeepers'] });
    assert.equal((await ask({ path: '/private' })).status, 403);
    assert.equal((await ask({ path: '/private', headers: bearer(good) })).status, 200);
    for (const [why, wrong, says] of [
      ['no token', 'word', /Jwt is not in the form/],
      ['expired', token({ iss: ISSUER, sub: 'a', exp: 1_000_000_000 }), /Jwt is expired/],
      ['another issuer', token({ iss: 'other', sub: 'a', exp: inAnHour() }), /Jwt issuer is not configured/],
      ['another key', token({ iss: ISSUER, sub: 'a', exp: inAnHour() }, others), /Jwt verification fails/],
    ] as const) {
      const { status, body } = await ask({ path: '/', headers: bearer(wrong) });
      assert.equal(status, 401, why);
      assert.match(body, says, why);
    }
  });

  test('a claim of the token decides', async () => {
    const path = '/private/group';
    const of = (groups: readonly string[]) => bearer(token({ iss: ISSUER, sub: ISSUER, exp: inAnHour(), groups }));
    assert.equal((await ask({ path, headers: of(['bookkeepers', 'all']) })).status, 200);
    assert.equal((await ask({ path, headers: of(['all']) })).status, 403);
  });

  test('ALLOW_ANY lets strangers pass as soon as the MeshConfig says so', async () => {
    await mesh.write('meshconfig.yaml', 'outboundTrafficPolicy: {mode: ALLOW_ANY}\n');
    const http = { address: STRANGER, port: 80, host: 'stranger.example' };
    await until('the stranger', async () => (await ask(http)).status === 200);
    await until('the stranger over TCP', async () => (await ask({ ...http, port: 9000 })).status === 200);
  });

  test('nothing was rejected', () => mesh.assertNothingRejected());
});

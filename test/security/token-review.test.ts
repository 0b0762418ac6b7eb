import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocalJWKSet } from 'jose';
import { verifyToken } from '../../src/security/oidc.ts';
import { boundPod, serviceAccountOf, unverifiedClaims } from '../../src/security/service-account-token.ts';
import { callerOf, type TokenReviewStatus } from '../../src/security/token-review.ts';
import { Issuer } from './issuer.ts';

/** A kube-apiserver's answer to a TokenReview of a projected token. */
const good: TokenReviewStatus = {
  authenticated: true,
  audiences: ['istio-ca'],
  user: {
    username: 'system:serviceaccount:default:bookinfo',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
    extra: {
      'authentication.kubernetes.io/pod-name': ['bookinfo-1'],
      'authentication.kubernetes.io/pod-uid': ['8a4c1b1e'],
    },
  },
};
const user = good.user ?? {};
const caller = (status: TokenReviewStatus) => callerOf(status, ['istio-ca'], 'cluster.local', 5);

test('who a TokenReview says it is', () => {
  const proof = caller(good);
  assert.ok(proof.ok);
  assert.equal(proof.caller.identity.uri, 'spiffe://cluster.local/ns/default/sa/bookinfo');
  assert.deepEqual(proof.caller.pod, { name: 'bookinfo-1', uid: '8a4c1b1e' });
  const unbound = caller({ ...good, user: { ...user, extra: {} } });
  assert.ok(unbound.ok);
  assert.equal(unbound.caller.pod, undefined);
});

for (const [name, status, reason] of [
  ['an error', { ...good, error: 'invalid bearer token' }, /returns an error: invalid bearer token/],
  ['nothing', {}, /is not authenticated/],
  ['not authenticated', { ...good, authenticated: false }, /is not authenticated/],
  [
    'no audiences, from an API server that does not check them',
    { ...good, audiences: [] },
    /did not check the audience/,
  ],
  ['other audiences', { ...good, audiences: ['vault'] }, /did not check the audience/],
  ['no user', { ...good, user: undefined }, /not a service account/],
  ['a user', { ...good, user: { ...user, groups: ['system:authenticated'] } }, /not a service account/],
  ['a node', { ...good, user: { ...user, username: 'system:node:a' } }, /invalid username/],
  ['more parts', { ...good, user: { ...user, username: 'system:serviceaccount:a:b:c' } }, /invalid username/],
  ['no name', { ...good, user: { ...user, username: 'system:serviceaccount:a:' } }, /invalid username/],
] satisfies readonly (readonly [string, TokenReviewStatus, RegExp])[])
  test(`a TokenReview with ${name} lets nobody in`, () => {
    const proof = caller(status);
    assert.ok(!proof.ok);
    assert.match(proof.reason, reason);
  });

test('a token is taken apart without being believed', async () => {
  const issuer = await Issuer.make();
  assert.deepEqual(unverifiedClaims(await issuer.token({ claims: { exp: 7 }, expires: undefined, audience: 'a' })), {
    expiresAt: 7_000,
    audiences: ['a'],
    account: { namespace: 'default', name: 'bookinfo' },
    pod: { name: 'bookinfo-1', uid: 'uid-of-bookinfo-1' },
  });
  for (const text of ['', '.', '..', 'a.b', 'a.e30.c.d', 'a.bnVsbA.c', 'a.W10.c'])
    assert.equal(unverifiedClaims(text), undefined, text);
  assert.deepEqual(unverifiedClaims('a.e30.c'), {
    expiresAt: undefined,
    audiences: [],
    account: undefined,
    pod: undefined,
  });
  for (const claim of [undefined, null, 'x', [], {}, { pod: 1 }, { pod: {} }, { pod: { name: 1 } }])
    assert.equal(boundPod({ 'kubernetes.io': claim }), undefined);
  assert.equal(serviceAccountOf(7), undefined);
});

test('an issuer whose keys are shared secrets lets nobody in: who checks such a token could make it', async () => {
  const secret = Buffer.from('a secret that is long enough for HMAC');
  const issuer = await Issuer.make();
  const rule = (keys: object) => ({
    issuer: 'https://issuer.example.com',
    audiences: ['istio-ca'],
    keys: keys as never,
  });
  const keys = createLocalJWKSet({ keys: [{ kty: 'oct', k: secret.toString('base64url'), alg: 'HS256' }] });
  const token = await issuer.token({ key: secret, alg: 'HS256' });
  for (const found of [keys, async () => secret]) {
    const proof = await verifyToken(token, rule(found), 'cluster.local', Date.now());
    assert.ok(!proof.ok);
    assert.match(proof.reason, /"alg"/);
  }
});

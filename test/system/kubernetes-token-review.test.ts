import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ApiClient } from '../../src/kubernetes/api-client.ts';
import { type Authenticator, authenticate } from '../../src/security/authenticate.ts';
import { checkNode } from '../../src/security/node-check.ts';
import { ProofCache } from '../../src/security/proof-cache.ts';
import { type TokenReviewStatus, tokenReviews } from '../../src/security/token-review.ts';
import { ApiServer, noApiServer } from '../kubernetes/api-server.ts';
import { until } from '../kubernetes/until.ts';
import { HeldClock } from '../support/clock.ts';

const core = '/api/v1/namespaces/default';
let api: ApiServer;
let client: ApiClient;
let reviews = 0;

/** A clock that stands at the present, so that only the tests' own passing of time makes what is known old. */
class PresentClock extends HeldClock {
  readonly #start = Date.now() - super.now();
  override now(): number {
    return this.#start + super.now();
  }
}
const clock = new PresentClock();

const post = (path: string, body: object) => client.json(path, { method: 'POST', body });

const known: Authenticator = tokenReviews({
  async review(token, audiences) {
    reviews++;
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } };
    const answer = (await post('/apis/authentication.k8s.io/v1/tokenreviews', body)) as { status: TokenReviewStatus };
    return answer.status;
  },
  audiences: ['istio-ca'],
  trustDomain: () => 'cluster.local',
  clusterIds: new Set(['Kubernetes']),
  cache: new ProofCache(clock),
  clock,
});

const meet = (token: string) =>
  authenticate(
    [known],
    { certificates: [], authorization: [`Bearer ${token}`], clusterId: 'Kubernetes' },
    'authentication failure',
  );

/** A token as the kubelet projects it into a pod. */
async function tokenOf(pod: string, audience = 'istio-ca'): Promise<string> {
  const { metadata } = (await client.json(`${core}/pods/${pod}`)) as { metadata: { uid: string } };
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: pod, uid: metadata.uid };
  const spec = { audiences: [audience], expirationSeconds: 3_600, boundObjectRef };
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
  const answer = (await post(`${core}/serviceaccounts/bookinfo/token`, request)) as { status: { token: string } };
  return answer.status.token;
}

describe('tokens of a real API server', { skip: noApiServer, timeout: 3_600_000 }, () => {
  before(async () => {
    api = await ApiServer.start();
    client = await api.client();
    await post(`${core}/serviceaccounts`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'bookinfo' } });
    for (const name of ['reviews-1', 'ratings-1'])
      await post(`${core}/pods`, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name },
        spec: {
          serviceAccountName: 'bookinfo',
          automountServiceAccountToken: false,
          containers: [{ name: 'app', image: 'app' }],
        },
      });
  });
  after(() => api?.close());

  test('a projected token proves the service account and its pod, once for a thousand calls', async () => {
    const token = await tokenOf('reviews-1');
    reviews = 0;
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => meet(token)));
    assert.equal(reviews, 1);
    for (const answer of answers) assert.ok(answer.ok, JSON.stringify(answer));
    const [answer] = answers;
    assert.ok(answer?.ok);
    assert.equal(answer.caller.identity.uri, 'spiffe://cluster.local/ns/default/sa/bookinfo');
    assert.equal(answer.caller.pod?.name, 'reviews-1');
    assert.match(answer.caller.pod.uid, /^[0-9a-f-]{36}$/);
    const node = { namespace: 'default', serviceAccount: 'bookinfo' };
    assert.ok(checkNode(answer.caller, { ...node, pod: 'reviews-1' }).ok);
    assert.ok(!checkNode(answer.caller, { ...node, pod: 'ratings-1' }).ok, 'of the same service account, too');
  });

  test('a token for another audience, and one that is damaged, are nobody’s', async () => {
    const other = await meet(await tokenOf('reviews-1', 'vault'));
    assert.ok(!other.ok && other.reason.includes('the token is for vault'));
    const token = await tokenOf('reviews-1');
    const damaged = await meet(`${token.slice(0, -8)}AAAAAAAA`);
    assert.ok(!damaged.ok && damaged.reason.includes('invalid bearer token'), JSON.stringify(damaged));
  });

  test("a deleted pod's token stops working within a minute", async () => {
    const token = await tokenOf('ratings-1');
    assert.ok((await meet(token)).ok);
    await client.json(`${core}/pods/ratings-1`, { method: 'DELETE', query: { gracePeriodSeconds: '0' } });
    // The API server itself remembers tokens for ten seconds, and sees pods a moment later.
    await until(async () => {
      clock.pass(60_000);
      return !(await meet(token)).ok;
    });
  });
});

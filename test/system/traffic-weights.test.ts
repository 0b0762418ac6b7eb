import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { binomialBounds } from '../support/binomial.ts';
import { until } from '../support/until.ts';
import { PodMesh, tally, whoAnswered } from './pod-mesh.ts';

const BILL = '10.111.219.247';
const REVIEWS = '10.96.204.66';
const RATINGS = '10.96.7.185';

const nineToOne = `
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: bill-service, namespace: istio-demo}
spec:
  hosts: [bill-service]
  http:
  - route:
    - {destination: {host: bill-service, subset: v1}, weight: 90}
    - {destination: {host: bill-service, subset: v2}, weight: 10}
---
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {name: bill-service, namespace: istio-demo}
spec:
  host: bill-service
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
`;

const reviews = (http: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: v3, labels: {version: v3}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http: ${http}
`;

const to = (subset: string): string => `route: [{destination: {host: reviews, subset: ${subset}}}]`;
const jasonTo = (subset: string): string => `
  - match: [{headers: {end-user: {exact: jason}}}]
    ${to(subset)}
  - ${to('v1')}`;

const bill = (version: string) => ({
  name: `bill-service-${version}`,
  namespace: 'istio-demo',
  labels: { service: 'bill-service', version },
  ports: [80],
});

const version = (v: string) => ({ name: `reviews-${v}`, labels: { app: 'reviews', version: v }, ports: [9080] });

describe("weights and versions in pods' own networks", { timeout: 3_600_000 }, () => {
  let mesh: PodMesh;
  before(async () => {
    mesh = await PodMesh.start({
      pods: [
        { name: 'front-tomcat', namespace: 'istio-demo', labels: { app: 'front-tomcat' } },
        bill('v1'),
        bill('v2'),
        { name: 'productpage', labels: { app: 'productpage' } },
        version('v1'),
        version('v2'),
        version('v3'),
      ],
      services: [
        {
          name: 'bill-service',
          namespace: 'istio-demo',
          clusterIP: BILL,
          selector: { service: 'bill-service' },
          port: 9999,
          targetPort: 80,
        },
        { name: 'reviews', clusterIP: REVIEWS, selector: { app: 'reviews' }, port: 9080, targetPort: 9080 },
        { name: 'ratings', clusterIP: RATINGS, selector: { app: 'ratings' }, port: 9080, targetPort: 9080 },
      ],
      yaml: nineToOne + reviews(`[{${to('v1')}}]`),
    });
  });
  after(() => mesh?.stop());

  const n = 500;
  const calls = { address: BILL, port: 9999, host: 'bill-service:9999', count: n, concurrency: 8, fresh: true };
  const within = (count: number, p: number, what: string): void => {
    const { low, high } = binomialBounds(n, p);
    assert.ok(count >= low && count <= high, `${count} of ${n} ${what}; expected ${low} to ${high}`);
  };

  test('an application sees nine to one, on another port than the pods listen on', async () => {
    const counts = tally(await mesh.pod('front-tomcat').app.calls(calls));
    const { 'bill-service-v1': v1 = 0, 'bill-service-v2': v2 = 0 } = counts;
    assert.equal(v1 + v2, n, JSON.stringify(counts));
    within(v2, 0.1, 'went to v2');
  });

  test("the proxy's user (1337) is not redirected: it sees what kube-proxy does, one to one", async () => {
    const counts = tally(await mesh.pod('front-tomcat').asProxy(calls));
    const { 'bill-service-v1': v1 = 0, 'bill-service-v2': v2 = 0 } = counts;
    assert.equal(v1 + v2, n, JSON.stringify(counts));
    within(v2, 0.5, 'went to v2');
  });

  test('calls arrive through the Envoy of the pod that is called', async () => {
    const [answer] = await mesh.pod('front-tomcat').app.calls({ ...calls, count: 1 });
    assert.equal(answer?.headers['server'], 'envoy');
    const counters = await mesh
      .pod(whoAnswered(answer ?? { status: 0, headers: {}, body: '', ms: 0 }))
      .admin('/stats?filter=inbound_0.0.0.0_80.*downstream_rq_2xx');
    assert.match(counters, /downstream_rq_2xx: [1-9]/);
  });

  const reviewsFor = async (user?: string): Promise<readonly string[]> => {
    const headers = user === undefined ? {} : { 'end-user': user };
    const answers = await mesh
      .pod('productpage')
      .app.calls({ address: REVIEWS, port: 9080, host: 'reviews:9080', headers, count: 20, concurrency: 4 });
    return [...new Set(answers.map(whoAnswered))];
  };

  test('bookinfo: everyone sees v1, then jason v2, then jason v3', async () => {
    assert.deepEqual(await reviewsFor(), ['reviews-v1']);
    assert.deepEqual(await reviewsFor('jason'), ['reviews-v1']);
    for (const v of ['v2', 'v3']) {
      await mesh.write('users.yaml', nineToOne + reviews(jasonTo(v)));
      await until(`${v} for jason`, async () => (await reviewsFor('jason')).join() === `reviews-${v}`);
      assert.deepEqual(await reviewsFor(), ['reviews-v1']);
      assert.deepEqual(await reviewsFor('mary'), ['reviews-v1']);
    }
  });

  test('a Service without endpoints is answered 503 by the caller’s Envoy', async () => {
    const [answer] = await mesh.pod('productpage').app.calls({ address: RATINGS, port: 9080, host: 'ratings:9080' });
    assert.equal(answer?.status, 503);
    assert.equal(answer?.body, 'no healthy upstream');
  });

  test('nothing was rejected', () => mesh.assertNothingRejected());
});

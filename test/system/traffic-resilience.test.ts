import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { binomialBounds } from '../support/binomial.ts';
import type { AppAnswer, AppRequest } from '../support/pod.ts';
import { until } from '../support/until.ts';
import { PodMesh, tally, whoAnswered } from './pod-mesh.ts';

const CANARY = '10.100.93.113';
const pods = ['canary-v1a', 'canary-v1b', 'canary-v1c'];

const destinationRule = (policy: string): string => `
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: canary, namespace: canary}
spec:
  host: canary
  trafficPolicy: ${policy}
  subsets:
  - {name: v1, labels: {version: v1}}
  - name: v2
    labels: {version: v2}
    trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
---
`;

const virtualService = (http: string): string => `
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: canary, namespace: canary}
spec:
  hosts: [canary]
  http: ${http}
---
`;

/** Every answer says which rules gave it, so that a test need not guess when the new ones are in force. */
const marked = (mark: string): string => `headers: {request: {set: {x-rules: ${mark}}}}`;
const v1 = '{destination: {host: canary, subset: v1}}';

describe('resilience, as the caller’s Envoy has it', { timeout: 3_600_000 }, () => {
  let mesh: PodMesh;
  before(async () => {
    mesh = await PodMesh.start({
      pods: [
        { name: 'toolbox', namespace: 'canary', labels: { app: 'toolbox' } },
        // Without Envoys of their own: what is seen is the caller's doing.
        ...pods.map(name => ({
          name,
          namespace: 'canary',
          labels: { app: 'canary', version: 'v1' },
          ports: [80],
          proxy: 'none' as const,
        })),
        {
          name: 'canary-v2',
          namespace: 'canary',
          labels: { app: 'canary', version: 'v2' },
          ports: [80],
          proxy: 'none',
        },
      ],
      services: [
        {
          name: 'canary',
          namespace: 'canary',
          clusterIP: CANARY,
          selector: { app: 'canary' },
          port: 80,
          targetPort: 80,
        },
      ],
    });
  });
  after(() => mesh?.stop());

  const ask = (request: Partial<AppRequest> = {}): Promise<readonly AppAnswer[]> =>
    mesh.pod('toolbox').app.calls({ address: CANARY, port: 80, host: 'canary', ...request });

  /** Writes rules and waits until they are in force; their route for `/mark` sends `mark` along. */
  async function rules(mark: string, policy: string, http: string): Promise<void> {
    const probe = `
  - match: [{uri: {exact: /mark}}]
    ${marked(mark)}
    route: [${v1}]${http}`;
    await mesh.write('users.yaml', destinationRule(policy) + virtualService(probe));
    await until(`the rules of '${mark}'`, async () => {
      const [answer] = await ask({ path: '/mark' });
      return answer?.status === 200 && answer.body.includes(`"x-rules":"${mark}"`);
    });
  }

  const counter = async (pattern: string): Promise<number> => {
    const page = await mesh.pod('toolbox').admin(`/stats?filter=${encodeURIComponent(pattern)}`);
    return page.split('\n').reduce((sum, line) => sum + Number(/: (\d+)$/.exec(line)?.[1] ?? 0), 0);
  };

  const toV1 = `
  - route: [${v1}]`;

  test('ROUND_ROBIN takes one after the other', async () => {
    await rules('round-robin', '{loadBalancer: {simple: ROUND_ROBIN}}', toV1);
    // Endpoints that have just been made known may start the round anew.
    await until('a regular round', async () => {
      const order = (await ask({ count: 30 })).map(whoAnswered);
      return new Set(order).size === 3 && order.every((pod, i) => i < 3 || pod === order[i - 3]);
    });
  });

  test('RANDOM takes each as often as chance has it, in no order', async () => {
    await rules('random', '{loadBalancer: {simple: RANDOM}}', toV1);
    await until('no order', async () => {
      const order = (await ask({ count: 30 })).map(whoAnswered);
      return !order.every((pod, i) => i < 3 || pod === order[i - 3]);
    });
    const n = 600;
    const counts = tally(await ask({ count: n, concurrency: 4 }));
    const { low, high } = binomialBounds(n, 1 / 3);
    assert.deepEqual(Object.keys(counts).sort(), pods);
    for (const [pod, count] of Object.entries(counts))
      assert.ok(count >= low && count <= high, `${pod}: ${count} of ${n}; expected ${low} to ${high}`);
  });

  test('80 % are aborted for everyone; one user goes to v2 and is tried again', async () => {
    await rules(
      'abort',
      '{loadBalancer: {simple: RANDOM}}',
      `
  - match: [{headers: {user: {exact: zhongmingmao}}}]
    route: [{destination: {host: canary, subset: v2}}]
    retries: {attempts: 3, perTryTimeout: 20s, retryOn: 5xx}
  - fault: {abort: {httpStatus: 500, percentage: {value: 80}}}
    route: [${v1}]`,
    );
    const n = 400;
    const { 500: aborted = 0, ...others } = tally(await ask({ count: n, concurrency: 4 }));
    const { low, high } = binomialBounds(n, 0.8);
    assert.ok(aborted >= low && aborted <= high, `${aborted} of ${n}; expected ${low} to ${high}`);
    assert.deepEqual(
      Object.keys(others).filter(pod => !pods.includes(pod)),
      [],
    );
    for (let i = 0; i < 5; i++) {
      const headers = { user: 'zhongmingmao', 'x-request': `retry-${i}`, 'x-fail': '3' };
      const [answer] = await ask({ headers });
      assert.equal(answer && whoAnswered(answer), 'canary-v2');
      assert.equal((JSON.parse(answer?.body ?? '{}') as { attempt: number }).attempt, 4);
    }
  });

  test('a call ends with 504 after its timeout', async () => {
    await rules(
      'timeout',
      '{}',
      `
  - timeout: 0.3s
    route: [{destination: {host: canary, subset: v2}}]`,
    );
    await mesh.pod('canary-v2').app.answerWith({ delayMs: 120_000 });
    const [answer] = await ask();
    assert.deepEqual([answer?.status, answer?.body], [504, 'upstream request timeout']);
    await mesh.pod('canary-v2').app.answerWith({});
    // On a busy machine even a prompt answer may come too late.
    await until('an answer in time', async () => (await ask())[0]?.status === 200);
  });

  test('circuit breaking: what does not fit into the queue is answered 503 and counted as overflow', async () => {
    await rules(
      'breaker',
      '{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1, maxRequestsPerConnection: 1}}}',
      `
  - retries: {attempts: 0}
    route: [{destination: {host: canary, subset: v1}}]`,
    );
    for (const pod of pods) await mesh.pod(pod).app.answerWith({ delayMs: 300 });
    const answers = await ask({ count: 40, concurrency: 10 });
    const counts = tally(answers, ({ status }) => String(status));
    assert.ok((counts['200'] ?? 0) > 0 && (counts['503'] ?? 0) > 0, JSON.stringify(counts));
    const refused = answers.find(({ status }) => status === 503);
    assert.equal(refused?.headers['x-envoy-overloaded'], 'true');
    assert.equal(await counter('^cluster\\.outbound\\|80\\|v1\\|canary.*upstream_rq_pending_overflow$'), counts['503']);
    for (const pod of pods) await mesh.pod(pod).app.answerWith({});
  });

  test('outlier detection: an endpoint that only fails is left alone', async () => {
    await rules(
      'outlier',
      '{outlierDetection: {consecutive5xxErrors: 3, interval: 0.2s, baseEjectionTime: 300s, maxEjectionPercent: 100}}',
      `
  - retries: {attempts: 0}
    route: [{destination: {host: canary, subset: v1}}]`,
    );
    const [bad = '', ...good] = pods;
    await mesh.pod(bad).app.answerWith({ status: 500 });
    await until('the ejection', async () => {
      await ask({ count: 20, concurrency: 2 });
      return (await counter('outlier_detection\\.ejections_active$')) === 1;
    });
    const before = await mesh.pod(bad).app.received();
    const counts = tally(await ask({ count: 100, concurrency: 4 }));
    assert.deepEqual(Object.keys(counts).sort(), good);
    assert.equal(await mesh.pod(bad).app.received(), before);
  });

  test('nothing was rejected', () => mesh.assertNothingRejected());
});

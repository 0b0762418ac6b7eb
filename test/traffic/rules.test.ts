import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { binomialBounds } from '../support/binomial.ts';
import { envoyMissing } from '../support/envoy.ts';
import type { Answer } from '../support/http.ts';
import { until } from '../support/until.ts';
import type { Received } from './backend.ts';
import { type LocalMesh, startMesh } from './local-mesh.ts';

/** Each rule has a Service of its own; all of them have the same three backends. */
const services = ['split', 'canary', 'rewrite', 'abort', 'retry', 'timeout', 'mirror', 'plain', 'redirect', 'headers'];

const rule = (host: string, http: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${host}, namespace: default}
spec:
  hosts: [${host}]
  http: ${http}
---`;

const yaml = [
  rule(
    'split',
    `
  - route:
    - {destination: {host: split, subset: v1}, weight: 90}
    - {destination: {host: split, subset: v2}, weight: 10}`,
  ),
  rule(
    'canary',
    `
  - match: [{headers: {x-canary: {exact: always}}}]
    route: [{destination: {host: canary, subset: v2}}]
  - match: [{headers: {cookie: {regex: "^(.*?;)?(user=jason)(;.*)?$"}}}]
    route: [{destination: {host: canary, subset: v3}}]
  - route: [{destination: {host: canary, subset: v1}}]`,
  ),
  rule(
    'rewrite',
    `
  - match: [{uri: {prefix: /api/v1/}}]
    rewrite: {uri: /}
    route: [{destination: {host: rewrite, subset: v1}}]
  - route: [{destination: {host: rewrite, subset: v2}}]`,
  ),
  rule(
    'abort',
    `
  - fault: {abort: {percentage: {value: 80}, httpStatus: 418}}
    route: [{destination: {host: abort, subset: v1}}]`,
  ),
  rule(
    'retry',
    `
  - match: [{uri: {prefix: /impatient}}]
    retries: {attempts: 0}
    route: [{destination: {host: retry, subset: v1}}]
  - retries: {attempts: 3, retryOn: 5xx, perTryTimeout: 20s}
    route: [{destination: {host: retry, subset: v1}}]`,
  ),
  rule(
    'timeout',
    `
  - timeout: 0.2s
    route: [{destination: {host: timeout, subset: v1}}]`,
  ),
  rule(
    'mirror',
    `
  - route: [{destination: {host: mirror, subset: v1}}]
    mirror: {host: mirror, subset: v2}
    mirrorPercentage: {value: 100}`,
  ),
  rule('redirect', `[{redirect: {uri: /there, redirectCode: 302}}]`),
  rule(
    'headers',
    `
  - headers: {request: {set: {x-added: asked}, remove: [x-secret]}, response: {add: {x-answer: given}}}
    route: [{destination: {host: headers, subset: v3}}]`,
  ),
].join('');

const received = ({ body }: Answer): Received => JSON.parse(body) as Received;

const missing = await envoyMissing();

describe('rules of a VirtualService, through a real Envoy', { skip: missing, timeout: 3_600_000 }, () => {
  let mesh: LocalMesh;
  before(async () => {
    mesh = await startMesh({ services, yaml });
  });
  after(() => mesh?.stop());

  /** How often each pod, or status, answered. */
  async function tally(n: number, service: string, of: (answer: Answer) => string): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    const workers = Array.from({ length: 8 }, async (_, worker) => {
      for (let i = worker; i < n; i += 8) {
        const key = of(await mesh.ask(service));
        counts[key] = (counts[key] ?? 0) + 1;
      }
    });
    await Promise.all(workers);
    return counts;
  }

  test('without a rule every backend gets its share', async () => {
    const counts = await tally(300, 'plain', answer => received(answer).pod);
    assert.deepEqual(Object.keys(counts).sort(), ['v1', 'v2', 'v3']);
  });

  test('weights 90 and 10', async () => {
    const n = 1000;
    const counts = await tally(n, 'split', answer => received(answer).pod);
    const { low, high } = binomialBounds(n, 0.1);
    const { v1 = 0, v2 = 0 } = counts;
    assert.equal(v1 + v2, n, JSON.stringify(counts));
    assert.ok(v2 >= low && v2 <= high, `${v2} of ${n} went to v2; expected ${low} to ${high}`);
  });

  test('a header or a cookie chooses the version', async () => {
    const podFor = async (headers: Record<string, string>) => received(await mesh.ask('canary', { headers })).pod;
    assert.equal(await podFor({}), 'v1');
    assert.equal(await podFor({ 'x-canary': 'always' }), 'v2');
    assert.equal(await podFor({ 'x-canary': 'sometimes' }), 'v1');
    assert.equal(await podFor({ cookie: 'a=b;user=jason' }), 'v3');
    assert.equal(await podFor({ cookie: 'user=jasons' }), 'v1');
  });

  test('a prefix is rewritten, the query stays', async () => {
    const { pod, path } = received(await mesh.ask('rewrite', { path: '/api/v1/books?id=7' }));
    assert.deepEqual({ pod, path }, { pod: 'v1', path: '/books?id=7' });
    const other = received(await mesh.ask('rewrite', { path: '/api/v2/books' }));
    assert.deepEqual({ pod: other.pod, path: other.path }, { pod: 'v2', path: '/api/v2/books' });
  });

  test('80 % of calls are aborted, and the backend does not hear of them', async () => {
    const n = 500;
    const before = mesh.backends['v1']?.received.length ?? 0;
    const { 418: aborted = 0, 200: through = 0 } = await tally(n, 'abort', answer => String(answer.status));
    const { low, high } = binomialBounds(n, 0.8);
    assert.equal(aborted + through, n);
    assert.ok(aborted >= low && aborted <= high, `${aborted} of ${n} were aborted; expected ${low} to ${high}`);
    assert.equal((mesh.backends['v1']?.received.length ?? 0) - before, through);
  });

  test('a backend that fails twice is asked three times; without retries once', async () => {
    const ask = (path: string, id: string, times: string) =>
      mesh.ask('retry', { path, headers: { 'x-request': id, 'x-fail': times } });
    const attempts = (id: string) => mesh.backends['v1']?.received.filter(r => r.headers['x-request'] === id).length;
    assert.equal((await ask('/', 'twice', '2')).status, 200);
    assert.equal(attempts('twice'), 3);
    assert.equal((await ask('/', 'always', '99')).status, 503);
    assert.equal(attempts('always'), 4);
    assert.equal((await ask('/impatient', 'impatient', '1')).status, 503);
    assert.equal(attempts('impatient'), 1);
  });

  test('a call that takes longer than its timeout is answered 504', async () => {
    // On a busy machine even a prompt answer may come too late.
    await until('an answer in time', async () => (await mesh.ask('timeout')).status === 200);
    const { status, body, ms } = await mesh.ask('timeout', { headers: { 'x-delay': '60000' } });
    assert.deepEqual([status, body], [504, 'upstream request timeout']);
    // Not to the millisecond: Envoy's timers go by a coarser clock than this process's.
    assert.ok(ms > 100 && ms < 60_000, `after ${ms} ms`);
  });

  test('a mirrored call is answered by one version and heard of by both', async () => {
    const answer = await mesh.ask('mirror', { headers: { 'x-request': 'mirrored' } });
    assert.equal(received(answer).pod, 'v1');
    const shadow = await until('the mirrored call', () =>
      mesh.backends['v2']?.received.find(r => r.headers['x-request'] === 'mirrored'),
    );
    // As istiod has it: the copy carries the same host as the original.
    assert.equal(shadow.headers.host, 'mirror:8080');
  });

  test('a redirect, and headers set, removed and added', async () => {
    const redirect = await mesh.ask('redirect', { path: '/here' });
    assert.equal(redirect.status, 302);
    assert.match(String(redirect.headers.location), /\/there$/);
    const answer = await mesh.ask('headers', { headers: { 'x-secret': 'word', 'x-added': 'before' } });
    assert.equal(answer.headers['x-answer'], 'given');
    const { headers } = received(answer);
    assert.equal(headers['x-added'], 'asked');
    assert.equal(headers['x-secret'], undefined);
  });

  test('a host that nobody knows goes nowhere', async () => {
    // Istio's sidecars let unknown hosts pass to where the connection was going; here that is the Envoy itself.
    assert.notEqual((await mesh.ask('nobody')).status, 200);
  });

  test('nothing was rejected', () => mesh.assertNothingRejected());
});

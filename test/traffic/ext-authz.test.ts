import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { envoyMissing } from '../support/envoy.ts';
import { podObject, serviceObject, sliceObject } from '../support/kube-objects.ts';
import { until } from '../support/until.ts';
import { type Authorizer, grpcAuthorizer, httpAuthorizer } from './authorizers.ts';
import {
  type Asked,
  type Guard,
  GuardedMesh,
  istioObject,
  type Outcome,
  PORT,
  policyFor,
  withHeader,
} from './guarded-mesh.ts';

const missing = await envoyMissing();

const PRIVATE = [{ to: [{ operation: { paths: ['/private*'] } }] }];

const shared = { timeout: '60s' };
const at = (name: string) => ({ service: `${name}.default.svc.cluster.local`, port: PORT });
const http = (more: object = {}) => ({
  envoyExtAuthzHttp: {
    ...at('http'),
    ...shared,
    pathPrefix: '/check',
    includeRequestHeadersInCheck: ['x-ext', 'x-asked-*'],
    includeAdditionalHeadersInCheck: { 'x-mesh': 'ours' },
    headersToUpstreamOnAllow: ['x-user'],
    headersToDownstreamOnAllow: ['x-note'],
    headersToDownstreamOnDeny: ['x-rea*'],
    ...more,
  },
});
const grpc = (more: object = {}) => ({ envoyExtAuthzGrpc: { ...at('grpc'), ...shared, ...more } });

describe('AuthorizationPolicies that ask an authorizer, or only try', { skip: missing, timeout: 3_600_000 }, () => {
  let mesh: GuardedMesh;
  const authorizers: Record<string, Authorizer> = {};

  before(async () => {
    mesh = await GuardedMesh.start(['gateway', 'stock']);
    const names = ['http', 'grpc', 'down'];
    const pods = names.map((name, i) => ({ name, labels: { app: name }, address: mesh.address(i) }));
    const [httpPod, grpcPod] = pods;
    authorizers['http'] = await httpAuthorizer(httpPod?.address ?? '', PORT);
    authorizers['grpc'] = await grpcAuthorizer(grpcPod?.address ?? '', PORT);
    await mesh.write(
      'authorizers.yaml',
      pods.flatMap((pod, i) => {
        const { name } = pod;
        const shape = { name, port: PORT, targetPort: PORT, clusterIP: `10.96.1.${i}`, selector: pod.labels };
        const portName = name === 'grpc' ? 'grpc' : 'http';
        return [podObject(pod), serviceObject({ ...shape, portName }), sliceObject({ ...shape, portName }, [{ pod }])];
      }),
    );
  });
  after(async () => {
    for (const authorizer of Object.values(authorizers)) authorizer.close();
    await mesh?.stop();
  });

  let generation = 0;

  /** Puts policies in force for both proxies; `more` beside the one that asks `provider`. */
  async function inForce(
    providers: Readonly<Record<string, object>>,
    policies: (guard: Guard) => readonly object[],
  ): Promise<void> {
    generation++;
    const mark = `${generation}`;
    const extensionProviders = Object.entries(providers).map(([name, provider]) => ({ name, ...provider }));
    await mesh.write('meshconfig.yaml', [{ extensionProviders }]);
    const guards = [mesh.gateway, mesh.stock];
    await mesh.write(
      'policies.yaml',
      guards.flatMap(guard => [
        istioObject('security', 'AuthorizationPolicy', `${guard.name}-mark`, {
          selector: { matchLabels: guard.labels },
          action: 'DENY',
          rules: [{ when: [withHeader('x-mark', mark)] }],
        }),
        ...policies(guard),
      ]),
    );
    for (const guard of guards)
      await until(`policies ${mark} at ${guard.name}`, async () => {
        const [answer] = await mesh.ask(guard, [{ target: '/', host: 'app', headers: [`x-mark: ${mark}`] }]);
        const wanted = policies(guard).map(
          policy => (policy as { readonly metadata: { readonly name: string } }).metadata.name,
        );
        const gone = (await mesh.policiesIn(guard)).filter(
          name => !wanted.includes(name) && name !== `${guard.name}-mark`,
        );
        return answer?.status === 403 && gone.length === 0;
      });
  }

  /** The same requests at both proxies, which say the same. */
  async function ask(...asked: readonly Partial<Asked>[]): Promise<readonly Outcome[]> {
    const [one, other] = await Promise.all(
      [mesh.gateway, mesh.stock].map(guard =>
        mesh.ask(
          guard,
          asked.map(a => ({ target: '/', host: 'app', ...a })),
        ),
      ),
    );
    assert.deepEqual(
      one?.map(({ status }) => status),
      other?.map(({ status }) => status),
    );
    return other ?? [];
  }

  const custom =
    (name: string, rules: readonly object[] = PRIVATE) =>
    (guard: Guard) => [policyFor(guard, 'CUSTOM', rules, { provider: { name } })];
  const allowed = { target: '/private', headers: ['x-ext: allow', 'x-asked-for: tea', 'x-other: o', 'x-secret: s'] };
  const denied = { ...allowed, headers: ['x-ext: deny', 'x-asked-for: tea'] };
  const statuses = (outcomes: readonly Outcome[]): readonly number[] => outcomes.map(({ status }) => status);
  const sent = (outcome: Outcome | undefined, name: string): string | undefined =>
    outcome?.request?.headers.find(([own]) => own.toLowerCase() === name)?.[1];

  test('over HTTP: who is asked about what, and which headers go where', async () => {
    await inForce({ authorizer: http() }, custom('authorizer'));
    const { checks = [] } = authorizers['http'] ?? {};
    const before = checks.length;
    const [open] = await ask({ target: '/public' });
    assert.equal(open?.status, 200);
    assert.equal(checks.length, before, 'nobody was asked');
    const [yes, no] = await ask(allowed, denied, { ...denied, target: '/x/../private/%61' });
    assert.deepEqual([yes?.status, sent(yes, 'x-user'), sent(yes, 'x-inner')], [200, 'ann', undefined]);
    assert.deepEqual([yes?.headers['x-note'], yes?.headers['x-inner']], ['noted', undefined]);
    const { status, body, headers } = no ?? {};
    assert.deepEqual(
      [status, body, headers?.['x-reason'], headers?.['x-inner']],
      [403, 'not you', 'because', undefined],
    );
    const asked = checks.slice(before);
    assert.equal(asked.length, 6);
    assert.deepEqual([...new Set(asked.map(({ path }) => path))].sort(), ['/check/private', '/check/private/a']);
    const first = asked.find(check => check.headers['x-ext'] === 'allow');
    const { 'x-asked-for': include, 'x-mesh': add, 'x-other': other } = first?.headers ?? {};
    assert.deepEqual([include, add, other], ['tea', 'ours', undefined]);
  });

  test('over gRPC: the same', async () => {
    await inForce({ authorizer: grpc() }, custom('authorizer'));
    const { checks = [] } = authorizers['grpc'] ?? {};
    const [open, yes, no] = await ask({ target: '/public' }, allowed, denied);
    assert.equal(open?.status, 200);
    assert.deepEqual([yes?.status, sent(yes, 'x-user'), sent(yes, 'x-secret')], [200, 'ann', undefined]);
    assert.equal(yes?.headers['x-note'], 'noted');
    assert.deepEqual([no?.status, no?.body, no?.headers['x-reason']], [401, 'not you', 'because']);
    assert.deepEqual(
      checks.map(({ path }) => path),
      ['/private', '/private', '/private', '/private'],
    );
  });

  test('CUSTOM, then DENY, then ALLOW', async () => {
    await inForce({ authorizer: http() }, guard => [
      ...custom('authorizer')(guard),
      policyFor(guard, 'DENY', [{ to: [{ operation: { paths: ['/private/denied'] } }] }]),
      policyFor(guard, 'ALLOW', [{ to: [{ operation: { notPaths: ['/private/other', '/other'] } }] }]),
    ]);
    const { checks = [] } = authorizers['http'] ?? {};
    const before = checks.length;
    const targets = ['/private', '/private/denied', '/private/other', '/other', '/public'];
    const got = await ask(...targets.map(target => ({ ...allowed, target })), { ...denied, target: '/private/denied' });
    assert.deepEqual(statuses(got), [200, 403, 403, 403, 200, 403]);
    assert.deepEqual([got[1]?.body, got[5]?.body], ['RBAC: access denied', 'not you'], 'the authorizer comes first');
    assert.equal(checks.length - before, 8);
  });

  for (const [kind, provider] of [
    ['http', http],
    ['grpc', grpc],
  ] as const)
    test(`over ${kind}: bodies, whole or their beginning`, async () => {
      const { checks = [] } = authorizers[kind] ?? {};
      const posted = { ...allowed, body: 'ten bytes.' };
      for (const [body, includeRequestBodyInCheck, status, seen] of [
        [posted.body, undefined, 200, ''],
        [posted.body, { maxRequestBytes: 64 }, 200, posted.body],
        [posted.body, { maxRequestBytes: 3 }, 413, undefined],
        [posted.body, { maxRequestBytes: 3, allowPartialMessage: true }, 200, 'ten'],
      ] as const) {
        await inForce(
          { authorizer: provider(includeRequestBodyInCheck && { includeRequestBodyInCheck }) },
          custom('authorizer'),
        );
        const before = checks.length;
        const [got] = await ask({ ...posted, body });
        assert.equal(got?.status, status);
        assert.equal(checks.length - before, seen === undefined ? 0 : 2);
        assert.equal(checks.at(-1)?.body, seen ?? checks.at(-1)?.body);
        if (status === 200) assert.equal(got?.request?.body, body, 'the application gets all of it');
      }
    });

  const elsewhere = (of: typeof http | typeof grpc, service: string, more: object = {}) => of({ service, ...more });
  const DOWN = 'down.default.svc.cluster.local';
  const NOWHERE = 'nowhere.default.svc.cluster.local';
  const unavailable: readonly (readonly [string, Readonly<Record<string, object>>, number, RegExp | undefined])[] = [
    ['is down, over HTTP', { authorizer: elsewhere(http, DOWN) }, 403, undefined],
    ['is down, over gRPC', { authorizer: elsewhere(grpc, DOWN) }, 403, undefined],
    ['is down, and a status is set', { authorizer: elsewhere(http, DOWN, { statusOnError: '503' }) }, 503, undefined],
    [
      'is down, over gRPC, and a status is set',
      { authorizer: elsewhere(grpc, DOWN, { statusOnError: '429' }) },
      429,
      undefined,
    ],
    ['is down, and may be, over HTTP', { authorizer: elsewhere(http, DOWN, { failOpen: true }) }, 200, undefined],
    ['is down, and may be, over gRPC', { authorizer: elsewhere(grpc, DOWN, { failOpen: true }) }, 200, undefined],
    ['is not in the MeshConfig', {}, 403, /no external authorizer/],
    ['is of another kind', { authorizer: { zipkin: at('http') } }, 403, /no external authorizer/],
    ['is at no Service', { authorizer: elsewhere(http, NOWHERE) }, 403, /nowhere.* is not known/],
    ['is at no Service, and may be', { authorizer: elsewhere(grpc, NOWHERE, { failOpen: true }) }, 403, /is not known/],
    ['has no port', { authorizer: http({ port: 0 }) }, 403, /port 0/],
    [
      'is down, and the status is none',
      { authorizer: elsewhere(http, DOWN, { statusOnError: 'no' }) },
      403,
      /statusOnError/,
    ],
  ];
  for (const [what, providers, status, problem] of unavailable)
    test(`an authorizer that ${what}: ${status}, for what it would have been asked about`, async () => {
      await inForce(providers, custom('authorizer'));
      const { checks: ofHttp = [] } = authorizers['http'] ?? {};
      const before = ofHttp.length;
      const got = await ask(allowed, denied, { target: '/public' });
      assert.deepEqual(statuses(got), [status, status, 200]);
      assert.equal(ofHttp.length, before);
      const problems = await mesh.page('/debug/problems');
      if (problem) assert.match(problems, problem);
      else assert.doesNotMatch(problems, /authorizer|extensionProvider/);
    });

  test('two authorizers for one workload: neither is asked, and what either would be asked about is refused', async () => {
    await inForce({ one: http(), two: grpc() }, guard => [
      ...custom('one')(guard),
      istioObject('security', 'AuthorizationPolicy', `${guard.name}-two`, {
        selector: { matchLabels: guard.labels },
        action: 'CUSTOM',
        provider: { name: 'two' },
        rules: [{ to: [{ operation: { paths: ['/two'] } }] }],
      }),
    ]);
    const got = await ask(allowed, { ...allowed, target: '/two' }, { target: '/public' });
    assert.deepEqual(statuses(got), [403, 403, 200]);
    assert.match(await mesh.page('/debug/problems'), /one external authorizer, not one, two/);
  });

  test('a dry run refuses nothing, and is counted; neither does AUDIT', async () => {
    const dry = (guard: Guard, action: string, rules: readonly object[]) => ({
      ...(policyFor(guard, action, rules) as { readonly metadata: object }),
      metadata: {
        name: `${guard.name}-dry-${action.toLowerCase()}`,
        namespace: 'default',
        annotations: { 'istio.io/dry-run': 'true' },
      },
    });
    await inForce({}, guard => [
      dry(guard, 'DENY', PRIVATE),
      dry(guard, 'ALLOW', [{ to: [{ operation: { paths: ['/public'] } }] }]),
      policyFor(guard, 'AUDIT', PRIVATE),
    ]);
    const counters = async (): Promise<Readonly<Record<string, number>>> => {
      const text = await mesh.envoy(mesh.stock).admin('/stats?filter=istio_dry_run');
      const found = text.matchAll(/istio_dry_run_(\w+)_\.shadow_(\w+): (\d+)/g);
      return Object.fromEntries([...found].map(([, action, came, count]) => [`${action} ${came}`, Number(count)]));
    };
    const before = await counters();
    assert.deepEqual(statuses(await ask(allowed, { target: '/public' })), [200, 200]);
    const grown = Object.entries(await counters()).map(([name, count]) => [name, count - (before[name] ?? 0)]);
    assert.deepEqual(Object.fromEntries(grown), {
      'allow allowed': 1,
      'allow denied': 1,
      'deny allowed': 1,
      'deny denied': 1,
    });
  });

  test('nothing was rejected', () => mesh.assertNothingRejected());
});

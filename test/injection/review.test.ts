import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../src/injection/pod.ts';
import { environmentIn, type Reviewed, review } from '../../src/injection/review.ts';
import type { JsonObject } from '../../src/unknown.ts';
import { settingsOf } from './case.ts';
import { patched } from './patched.ts';

const settings = settingsOf({ values: '{}', mesh: '' });
const injector = { settings, native: (node: string) => node === 'new' };
const pod = (over: JsonObject = {}, spec: JsonObject = {}): JsonObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { generateName: 'web-', labels: { app: 'web' }, ...over },
  spec: { containers: [{ name: 'web', image: 'web' }], ...spec },
});

interface Response {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: { readonly message: string };
  readonly patch?: string;
  readonly patchType?: string;
  readonly warnings?: readonly string[];
}

const answered = ({ status, body }: Reviewed): { readonly apiVersion: string; readonly response: Response } => {
  assert.equal(status, 200, body);
  const answer = JSON.parse(body) as { kind: string; apiVersion: string; response: Response };
  assert.equal(answer.kind, 'AdmissionReview');
  return answer;
};

const asked = (
  request: unknown,
  { path = '/inject', apiVersion = 'admission.k8s.io/v1', kind = 'AdmissionReview' } = {},
) =>
  review(
    { path, contentType: 'application/json', body: Buffer.from(JSON.stringify({ apiVersion, kind, request })) },
    injector,
  );

const create = (object: unknown, over: JsonObject = {}) => ({
  uid: 'u-1',
  kind: { group: '', version: 'v1', kind: 'Pod' },
  operation: 'CREATE',
  namespace: 'shop',
  object,
  ...over,
});

/** The pod that the API server makes of an answer. */
function injected(given: JsonObject, reviewed: Reviewed): Pod {
  const { response } = answered(reviewed);
  assert.deepEqual(
    [response.uid, response.allowed, response.patchType],
    ['u-1', true, 'JSONPatch'],
    JSON.stringify(response),
  );
  return patched(given as Pod, JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString())) as Pod;
}

const proxyOf = (of: Pod) =>
  [...(of.spec?.containers ?? []), ...(of.spec?.initContainers ?? [])].find(({ name }) => name === 'istio-proxy') ??
  assert.fail('no proxy');

test('what is no AdmissionReview is answered by status, and everything else by what it says', () => {
  const ask = (body: string | Buffer, contentType = 'application/json') =>
    review({ path: '/inject', contentType, body: Buffer.from(body) }, injector);
  const codes: readonly (readonly [Reviewed, number])[] = [
    [ask(''), 400],
    [ask('', 'text/plain'), 400],
    [ask('{}', 'text/plain'), 415],
    [ask('{}', ''), 415],
    [ask('{}', 'application/json; charset=utf-8'), 415],
    [ask(Buffer.alloc(6 * 1024 * 1024 + 1, 32)), 413],
  ];
  for (const [{ status, outcome }, code] of codes) {
    assert.equal(status, code);
    assert.equal(outcome.kind, 'failed');
  }
  for (const [body, message] of [
    ['{', /^the AdmissionReview cannot be read: /],
    [Buffer.alloc(6 * 1024 * 1024, 32), /^the AdmissionReview cannot be read: /],
    ['null', /^expected an AdmissionReview of admission\.k8s\.io\/v1 or /],
    ['[]', /not an object without a kind of no version$/],
    ['{"kind":"Pod","apiVersion":"v1"}', /not Pod of v1$/],
    ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v2"}', /not AdmissionReview of admission\.k8s\.io\/v2$/],
    ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}', /has no request$/],
    ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":7}', /has no request$/],
    ...['uid', 'operation', 'namespace', 'subResource'].map(
      field =>
        [
          JSON.stringify({
            kind: 'AdmissionReview',
            apiVersion: 'admission.k8s.io/v1',
            request: create(pod(), { [field]: 7 }),
          }),
          new RegExp(`cannot be read: request\\.${field}: expected a text$`),
        ] as const,
    ),
    [
      JSON.stringify({
        kind: 'AdmissionReview',
        apiVersion: 'admission.k8s.io/v1',
        request: create(pod({}, { x: 'DEEP' })),
      }).replace('"DEEP"', `${'['.repeat(100_000)}${']'.repeat(100_000)}`),
      /it is nested more than 100 deep$/,
    ],
    [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, /^expected an AdmissionReview/],
  ] as const) {
    const reviewed = ask(body);
    const { response } = answered(reviewed);
    assert.equal(response.allowed, false);
    assert.match(response.status?.message ?? '', message);
    assert.equal(reviewed.outcome.kind, 'failed');
  }
});

test('both versions are answered in kind, with the uid', () => {
  for (const apiVersion of ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'])
    for (const object of [
      pod(),
      pod({}, { hostNetwork: true }),
      pod({ annotations: { 'inject.istio.io/templates': 'x' } }),
    ]) {
      const answer = answered(asked(create(object), { apiVersion }));
      assert.equal(answer.apiVersion, apiVersion);
      assert.equal(answer.response.uid, 'u-1');
    }
});

test('a pod is injected for the namespace of the request, dry run or not, whatever its name', () => {
  const names = [{ generateName: 'a-' }, { name: 'b' }, { name: 'b', namespace: 'shop' }, { name: undefined }];
  for (const name of names)
    for (const over of [{}, { dryRun: true }, { dryRun: false }]) {
      const given = pod(name as JsonObject);
      const reviewed = asked(create(given, over));
      assert.ok(proxyOf(injected(given, reviewed)));
      assert.match(reviewed.outcome.pod, /^shop\//);
    }
  const again = injected(pod(), asked(create(pod())));
  assert.deepEqual(injected(again, asked(create(again))), again);
});

test('a native sidecar goes by the node, where the pod has one', () => {
  const native = (spec: JsonObject) =>
    (injected(pod({}, spec), asked(create(pod({}, spec)))).spec?.initContainers ?? []).some(
      ({ name }) => name === 'istio-proxy',
    );
  assert.equal(native({ nodeName: 'new' }), true);
  assert.equal(native({ nodeName: 'old' }), false);
  assert.equal(native({}), false);
});

test('what is not to be injected is allowed as it is, and says why', () => {
  for (const [request, reason] of [
    [create(pod({}, { hostNetwork: true })), /hostNetwork/],
    [create(pod(), { namespace: 'kube-system' }), /nothing in namespace kube-system/],
    [create(pod({ labels: { 'sidecar.istio.io/inject': 'false' } })), /is false$/],
    [create(null, { operation: 'DELETE' }), /to delete what is there already/],
    [create(pod(), { operation: 'UPDATE' }), /to update/],
    [create(pod(), { subResource: 'ephemeralcontainers' }), /about ephemeralcontainers of a pod/],
    [
      create({ spec: {} }, { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } }),
      /about Deployment, not a pod/,
    ],
    [create({}, { resource: { group: '', version: 'v1', resource: 'services' } }), /about services, not a pod/],
    [create({ kind: 'Service' }, { kind: null }), /about Service, not a pod/],
  ] as const) {
    const reviewed = asked(request);
    const { response } = answered(reviewed);
    assert.deepEqual(response, { uid: 'u-1', allowed: true });
    assert.ok(reviewed.outcome.kind === 'skipped');
    assert.match(reviewed.outcome.reason, reason);
  }
});

test('a pod that is to be injected and cannot be is refused with the field', () => {
  for (const [object, message] of [
    [undefined, /cannot be read: there is no object/],
    ['pod', /cannot be read: there is no object/],
    [pod({ labels: 'x' }), /metadata\.labels: expected an object/],
    [pod({ labels: { a: 1 } }), /metadata\.labels\.a: expected a text/],
    [pod({ annotations: { a: null } }), /metadata\.annotations\.a: expected a text/],
    [pod({}, { containers: {} }), /spec\.containers: expected a list/],
    [pod({}, { containers: [null] }), /spec\.containers\[0\]: expected an object/],
    [
      pod({}, { containers: [{ name: 'a', ports: [{ containerPort: 'x' }] }] }),
      /ports\[0\]\.containerPort: expected a whole number/,
    ],
    [pod({}, { hostNetwork: 'yes' }), /spec\.hostNetwork: expected true or false/],
    [
      pod({ annotations: { 'inject.istio.io/templates': 'none' } }),
      /no sidecar can be injected: .*there is no template 'none'/,
    ],
    [pod({ annotations: { 'sidecar.istio.io/interceptionMode': 'X' } }), /sidecar\.istio\.io\/interceptionMode/],
  ] as const) {
    const reviewed = asked(create(object));
    const { response } = answered(reviewed);
    assert.equal(response.allowed, false, JSON.stringify(object));
    assert.match(response.status?.message ?? '', message);
    assert.equal(reviewed.outcome.kind, 'failed');
  }
});

test('what an API server adds to the image auto, it adds anew to the one that takes its place', () => {
  const gateway = (image: string) =>
    pod(
      { annotations: { 'inject.istio.io/templates': 'gateway' } },
      { containers: [{ name: 'istio-proxy', image, imagePullPolicy: 'Always' }] },
    );
  for (const [image, policy] of [
    ['auto', undefined],
    ['mine', 'Always'],
  ] as const) {
    const once = injected(gateway(image), asked(create(gateway(image))));
    assert.equal(proxyOf(once)['imagePullPolicy'], policy);
    assert.deepEqual(injected(once, asked(create(once))), once);
  }
});

test('what istioctl kube-inject asks is about a pod, though it does not say so', () => {
  const kind = { group: 'admission.k8s.io', version: 'v1', kind: 'AdmissionRequest' };
  const of = { ...pod(), kind: undefined, apiVersion: undefined };
  const request = { ...create(of, { kind, resource: { group: '', version: '', resource: '' } }), operation: '' };
  assert.ok(proxyOf(injected(of, asked(request))));
});

test('what is asked costs little, whatever is in it', () => {
  const list = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
  const annotated = (name: string, text: string) => pod({ annotations: { [name]: text } });
  for (const [object, message] of [
    [pod({}, { containers: list(1_001, i => ({ name: `c${i}`, image: 'x' })) }), /spec\.containers: there are 1001;/],
    [pod({}, { volumes: list(1_001, i => ({ name: `v${i}` })) }), /spec\.volumes: there are 1001;/],
    [pod({}, { containers: [{ name: 'a', env: list(1_001, i => ({ name: `V${i}` })) }] }), /\.env: there are 1001;/],
    [annotated('a', 'x'.repeat(256 * 1024)), /metadata\.annotations: 262145 characters/],
    [annotated('inject.istio.io/templates', list(21, () => 'sidecar').join()), /21 templates; expected at most 20/],
  ] as const) {
    const { response } = answered(asked(create(object)));
    assert.equal(response.allowed, false);
    assert.match(response.status?.message ?? '', message);
  }
  const most = pod(
    {},
    { containers: list(1_000, i => ({ name: `c${i}`, image: 'x', ports: [{ containerPort: 80 }] })) },
  );
  assert.ok(proxyOf(injected(most, asked(create(most)))));
});

test('warnings reach who makes the pod', () => {
  const { response } = answered(asked(create(pod({}, { dnsPolicy: 'Default' }))));
  assert.match(response.warnings?.join() ?? '', /^spec\.dnsPolicy: /);
});

test('nulls are what is not there', () => {
  const given = pod(
    { labels: null, annotations: null, ownerReferences: null },
    { initContainers: null, volumes: null },
  );
  assert.ok(proxyOf(injected(given, asked(create(given)))));
});

test('until it is known what to inject pods are refused', () => {
  const body = Buffer.from(
    JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: create(pod()) }),
  );
  const reviewed = review({ path: '/inject', contentType: 'application/json', body }, undefined);
  assert.equal(answered(reviewed).response.allowed, false);
  assert.match(answered(reviewed).response.status?.message ?? '', /\/ready\?verbose/);
});

test('the address says which environment a proxy has', () => {
  for (const [path, environment] of [
    ['/inject', {}],
    ['/inject/', {}],
    ['/inject/cluster', {}],
    ['/inject/cluster/east', { ISTIO_META_CLUSTER_ID: 'east' }],
    ['/inject/cluster/east/net/n1/', { ISTIO_META_CLUSTER_ID: 'east', ISTIO_META_NETWORK: 'n1' }],
    ['/inject/net/a--slash--b/cluster/c--slash--', { ISTIO_META_CLUSTER_ID: 'c/', ISTIO_META_NETWORK: 'a/b' }],
    ['/inject/my_own/x/odd', { MY_OWN: 'x' }],
    ['/inject//x/cluster/y', { ISTIO_META_CLUSTER_ID: 'y' }],
    ['/inject/cluster//net/n', { ISTIO_META_CLUSTER_ID: '', ISTIO_META_NETWORK: 'n' }],
    ['/inject/:ENV:cluster=a=b:ENV:net=:ENV:=c:ENV:d', { ISTIO_META_CLUSTER_ID: 'a=b', ISTIO_META_NETWORK: '' }],
    ['/inject/constructor/x', { CONSTRUCTOR: 'x' }],
  ] as const)
    assert.deepEqual(environmentIn(path), environment, path);
  const object = pod();
  const of = proxyOf(injected(object, asked(create(object), { path: '/inject/cluster/east/net/n1' })));
  assert.deepEqual(
    of.env?.filter(({ name }) => /CLUSTER_ID|META_NETWORK/.test(name)).map(({ value }) => value),
    ['east', 'n1'],
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { file, keys, problems, service } from './file.ts';

test('kinds that are not read need nothing else, and those that users expect an effect of have a word', () => {
  const found = file(
    [
      'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n',
      'apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: seed-}\n',
      'apiVersion: v1\nkind: List\n',
      'apiVersion: v1\nkind: ServiceList\nitems: null\n',
      'apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: a}\n',
      'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\n',
      'apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\n',
      'apiVersion: batch/v1\nkind: Job\nspec: [not, read, {{ at all\n',
      '{"apiVersion": "batch/v1", "kind": "Job"}\n',
    ].join('---\n'),
  );
  assert.equal(
    problems(found),
    `warning File/a.yaml : 3 objects of kind Job (batch/v1) skipped: not a kind that is read
warning File/a.yaml : an object of kind WasmPlugin (extensions.istio.io/v1alpha1) skipped: it is not read yet, so it has no effect
warning File/a.yaml : an object of kind HTTPRoute (gateway.networking.k8s.io/v1) skipped: the Gateway API is not read yet, so it has no effect
warning File/a.yaml : an object of kind Ingress (networking.k8s.io/v1) skipped: Ingress is not read, so it has no effect; a Gateway and a VirtualService do what it would`,
  );
});

test('a kind that does not exist is a mistake, and takes nothing away', () => {
  for (const [apiVersion, kind, said] of [
    ['v1', 'Servce', 'there is no kind Servce in v1'],
    ['v1', 'service', 'there is no kind service in v1; Service is of v1'],
    [
      'networking.istio.io/v1',
      'AuthorizationPolicy',
      'AuthorizationPolicy is of security.istio.io/v1, security.istio.io/v1beta1',
    ],
    ['networking.istio.io/v2', 'VirtualService', 'VirtualService is of networking.istio.io/v1, '],
    ['discovery.k8s.io/v1beta1', 'EndpointSlice', 'EndpointSlice is of discovery.k8s.io/v1'],
  ] as const) {
    const found = file(service('a'), `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\n`);
    assert.equal(keys(found), 'Service/shop/a');
    assert.ok(problems(found).includes(said), problems(found));
  }
});

test('items of a list may leave their kind to it', () => {
  const items =
    'items:\n- metadata: {name: a}\n- metadata: {name: b}\n- kind: Namespace\n  apiVersion: v1\n  metadata: {name: c}\n- 7\n';
  const found = file(`apiVersion: v1\nkind: ServiceList\n${items}`);
  assert.equal(keys(found), 'Service/default/a Service/default/b Namespace/c');
  assert.equal(
    problems(found),
    'error File/a.yaml line 1: items[3]: expected an object with apiVersion, kind and metadata',
  );
  assert.equal(
    keys(
      file(
        `apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ServiceList\n  ${items.replaceAll('\n', '\n  ')}`,
      ),
    ),
    'Service/default/a Service/default/b Namespace/c',
  );
});

test('names, namespaces, labels and annotations are those that an API server takes', () => {
  const named = (kind: string, name: string) =>
    keys(
      file(
        `apiVersion: ${kind === 'VirtualService' ? 'networking.istio.io/v1' : 'v1'}\nkind: ${kind}\nmetadata: {name: ${JSON.stringify(name)}}\n`,
      ),
    ) !== '';
  for (const [name, service, space, other] of [
    ['a', true, true, true],
    ['a-1', true, true, true],
    ['1a', false, true, true],
    ['a.b', false, false, true],
    ['a'.repeat(63), true, true, true],
    ['a'.repeat(64), false, false, true],
    [`${'a.'.repeat(126)}a`, false, false, true],
    [`${'a.'.repeat(127)}a`, false, false, false],
    ['a-', false, false, false],
    ['-a', false, false, false],
    ['A', false, false, false],
    ['*', false, false, false],
    ['a|b', false, false, false],
    ['a/b', false, false, false],
    ['a b', false, false, false],
    ['a..b', false, false, false],
    ['é', false, false, false],
    ['a\n', false, false, false],
  ] as const) {
    assert.deepEqual(
      [named('Service', name), named('Namespace', name), named('VirtualService', name)],
      [service, space, other],
      name,
    );
  }

  const with_ = (metadata: string) =>
    file(`${service('b')}---\n${service('a').replace('namespace: shop', `namespace: shop\n  ${metadata}`)}`);
  for (const metadata of [
    'labels: {a.b/c_d.E: F-g.h_1, x: ""}',
    'annotations: {A.B/c: "anything at all: ü"}',
    'labels: null',
  ]) {
    assert.equal(problems(with_(metadata)), '', metadata);
  }
  for (const [metadata, path] of [
    ['labels: {a/b/c: d}', 'metadata.labels["a/b/c"]'],
    ['labels: {/b: c}', 'metadata.labels["/b"]'],
    ['labels: {A.b/c: d}', 'metadata.labels["A.b/c"]'],
    ['labels: {-a: b}', 'metadata.labels["-a"]'],
    [`labels: {${'a'.repeat(64)}: b}`, `metadata.labels.${'a'.repeat(64)}`],
    ['labels: {a: b c}', 'metadata.labels.a'],
    ['labels: {a: -b}', 'metadata.labels.a'],
    [`labels: {a: ${'b'.repeat(64)}}`, 'metadata.labels.a'],
    ['annotations: {a b: c}', 'metadata.annotations["a b"]'],
    [`annotations: {a: ${'b'.repeat(300_000)}}`, 'metadata.annotations'],
  ] as const) {
    const found = with_(metadata);
    assert.equal(keys(found), 'Service/shop/b');
    assert.ok(problems(found).startsWith(`error Service/shop/a ${path}: `), problems(found).slice(0, 300));
  }
  const space = file(service('a').replace('namespace: shop', 'namespace: "A B"'));
  assert.match(
    problems(space),
    /^error Service\/A B\/a metadata\.namespace: expected a name of at most 63 small letters/,
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { injectPod } from '../../src/injection/inject.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { type Sidecar, sidecars } from '../../src/injection/templates/templates.ts';
import { schemaOf } from '../../src/proto/schema.ts';
import type { JsonObject } from '../../src/unknown.ts';
import { envoyMissing, OLDEST_ENVOY_VERSION, validate } from '../support/envoy.ts';
import { type Asked, annotations, type Outcome, proxyConfig } from './asked.ts';
import { settingsOf } from './case.ts';
import { proxyArguments } from './kubelet.ts';

// What people may ask of a sidecar, by annotation and by ProxyConfig: it is followed, or they are told that it is not.

const pod = (annotations: { readonly [name: string]: string } = {}): Pod => ({
  metadata: { name: 'web', labels: { app: 'web', 'app.kubernetes.io/name': 'other' }, annotations },
  spec: {
    containers: [{ name: 'web', image: 'web', readinessProbe: { httpGet: { port: 80 } } }],
    volumes: [{ name: 'data', emptyDir: {} }],
  },
});

const plainSettings = {
  envoy: settingsOf({ values: '{}', mesh: '', sidecar: 'envoy' }),
  'istio-proxy': settingsOf({ values: '{}', mesh: '', sidecar: 'istio-proxy' }),
};

const injected = (asked: Pod, sidecar: Sidecar, settings = plainSettings[sidecar]) => {
  const injection = injectPod(asked, settings, { namespace: 'shop', native: false });
  if (injection.kind === 'refuse') assert.fail(JSON.stringify(injection.problems));
  return injection;
};

/** The pod without its words about itself, and without what the proxy is told in them. */
function withoutWords(asked: Pod, sidecar: Sidecar): unknown {
  const injection = injected(asked, sidecar);
  if (injection.kind === 'skip') return injection;
  const plain = JSON.parse(JSON.stringify(injection.pod));
  const { annotations: of } = plain.metadata;
  const containers = [...plain.spec.containers, ...(plain.spec.initContainers ?? [])];
  for (const container of containers) {
    const bootstrap = container.args?.at(-1);
    if (bootstrap?.startsWith('{')) {
      const json = JSON.parse(bootstrap);
      delete json.node.metadata.PROXY_CONFIG;
      container.args = [...container.args.slice(0, -1), json];
    }
    container.env = (container.env ?? []).filter((variable: { name: string }) => variable.name !== 'PROXY_CONFIG');
  }
  return { spec: plain.spec, metrics: of['prometheus.io/port'] };
}

/** What becomes of a pod with this annotation. */
function outcome(name: string, value: string, sidecar: Sidecar): Outcome | 'nothing' {
  const asked = pod({ [name]: value });
  if (!isDeepStrictEqual(withoutWords(asked, sidecar), withoutWords(pod(), sidecar))) return 'followed';
  const injection = injected(asked, sidecar);
  const told = injection.kind === 'inject' && injection.problems.some(({ severity }) => severity === 'warning');
  return told ? 'told' : 'nothing';
}

const expected = (asked: Asked, sidecar: Sidecar): Outcome | 'nothing' =>
  asked[sidecar] === 'elsewhere' || asked[sidecar] === 'no wish' ? 'nothing' : asked[sidecar];

for (const sidecar of Object.keys(sidecars) as Sidecar[]) {
  test(`${sidecar}: every annotation that Istio has for pods`, () => {
    for (const [name, asked] of Object.entries(annotations))
      assert.equal(outcome(name, asked.value, sidecar), expected(asked, sidecar), name);
  });

  test(`${sidecar}: every field of a ProxyConfig`, () => {
    const fields = schemaOf('istio.mesh.v1alpha1.ProxyConfig').fields.map(({ jsonName }) => jsonName);
    assert.deepEqual(Object.keys(proxyConfig).sort(), [...fields].sort());
    for (const [name, asked] of Object.entries(proxyConfig))
      assert.equal(
        outcome('proxy.istio.io/config', `${name}: ${asked.value}`, sidecar),
        expected(asked, sidecar),
        name,
      );
  });
}

test('what Envoy could not start with, or not do, is refused or told', () => {
  const annotation = 'sidecar.istio.io/stats';
  const config = (yaml: string) => ({ 'proxy.istio.io/config': yaml });
  for (const [asked, message] of [
    [{ 'sidecar.istio.io/discoveryAddress': 'istiod' }, /"istiod" is no address; expected HOST:PORT/],
    [{ [`${annotation}FlushInterval`]: '5m' }, /expected a duration of 1ms to less than 5m/],
    [{ [`${annotation}FlushInterval`]: '10' }, /expected a duration/],
    [{ [`${annotation}EvictionInterval`]: '7s' }, /expected a multiple of 5000ms/],
    [{ [`${annotation}EvictionInterval`]: 'x' }, /expected a duration, such as 60s/],
    [{ [`${annotation}HistogramBuckets`]: '{"a":[2,1]}' }, /rising numbers/],
    [{ [`${annotation}HistogramBuckets`]: '{"a":[0]}' }, /rising numbers/],
    [{ [`${annotation}HistogramBuckets`]: '[1]' }, /an object of JSON/],
    [{ [`${annotation}InclusionRegexps`]: 'a,(' }, /missing \)/],
  ] as const) {
    const injection = injectPod(pod(asked), settingsOf({ values: '{}', mesh: '' }), {
      namespace: 'shop',
      native: true,
    });
    assert.ok(injection.kind === 'refuse', JSON.stringify(asked));
    assert.match(injection.problems.map(problem => problem.message).join(), message);
  }
  for (const [asked, message] of [
    [config('statsdUdpAddress: "statsd.ops:8125"'), /statsdUdpAddress: Envoy resolves no name there/],
    [
      config('envoyMetricsService: {address: "a:1", tlsSettings: {mode: SIMPLE}}'),
      /envoyMetricsService: .* plaintext only/,
    ],
    [config('proxyMetadata: {ENVOY_SECURE_METRICS_PORT: "15091"}'), /ENVOY_SECURE_METRICS_PORT: no port/],
    [{ 'sidecar.istio.io/proxyImage': 'mine' }, /'mine' is not the whole name of an image/],
  ] as const) {
    const injection = injected(pod(asked), 'envoy');
    assert.ok(injection.kind === 'inject');
    const [problem, ...others] = injection.problems;
    assert.match(`${problem?.path}: ${problem?.message}`, message);
    assert.deepEqual(others, []);
    assert.ok(!JSON.stringify(bootstrapOf(injection.pod)).includes('stats_sinks'));
  }
});

/** What the kubelet would start the Envoy with. */
function bootstrapOf(of: Pod): JsonObject {
  const running = { name: 'web', namespace: 'shop', serviceAccount: 'web', node: 'n', ips: ['10.0.0.1'], cpus: 1 };
  return JSON.parse(proxyArguments(of, running).at(-1) ?? '');
}

test('names in traces are as the ProxyConfig says', () => {
  const cluster = (yaml: string) => {
    const injection = injected(pod({ 'proxy.istio.io/config': yaml }), 'envoy');
    return injection.kind === 'inject' && (bootstrapOf(injection.pod)['node'] as JsonObject)['cluster'];
  };
  for (const [yaml, name] of [
    ['', 'web.shop'],
    ['tracingServiceName: APP_LABEL_AND_NAMESPACE', 'web.shop'],
    ['tracingServiceName: CANONICAL_NAME_ONLY', 'other'],
    ['tracingServiceName: CANONICAL_NAME_AND_NAMESPACE', 'other.shop'],
    ['serviceCluster: mine', 'mine'],
  ] as const)
    assert.equal(cluster(yaml), name, yaml);
});

for (const version of [undefined, OLDEST_ENVOY_VERSION])
  test(`all that can be asked at once is a bootstrap that Envoy ${version ?? ''} starts with`, {
    skip: await envoyMissing(version),
  }, async () => {
    const statistics = Object.entries(annotations).filter(([name]) => name.startsWith('sidecar.istio.io/stats'));
    const fields = Object.entries(proxyConfig).filter(
      ([name, { envoy }]) => envoy === 'followed' && name !== 'serviceCluster',
    );
    const asked = pod({
      ...Object.fromEntries(statistics.map(([name, { value }]) => [name, value])),
      'proxy.istio.io/config': `{${fields.map(([name, { value }]) => `${name}: ${value}`).join(', ')}}`,
    });
    const injection = injected(
      asked,
      'envoy',
      settingsOf({ values: '{"global":{"logAsJson":true,"proxy":{"outlierLogPath":"outliers"}}}', mesh: '' }),
    );
    assert.ok(injection.kind === 'inject');
    const bootstrap = bootstrapOf(injection.pod);
    const present = [
      'stats_sinks',
      'stats_flush_interval',
      'overload_manager',
      'application_log_config',
      'cluster_manager',
    ];
    assert.deepEqual(
      present.filter(field => !bootstrap[field]),
      [],
    );
    assert.equal(await validate(JSON.stringify(bootstrap), version), '');
  });

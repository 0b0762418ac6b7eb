import assert from 'node:assert/strict';
import { test } from 'node:test';
import { injectPod } from '../../src/injection/inject.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { defaultProxyConfig } from '../../src/istio/settings.ts';
import { settingsOf } from '../injection/case.ts';
import { contentsOf } from '../support/folder.ts';

// What istiod's validation refuses of a ProxyConfig, and what no proxy could start with, in each place that has one.

/** YAML of a ProxyConfig, and the field that is wrong in it; empty where nothing is. */
const table: readonly (readonly [yaml: string, field: string])[] = [
  ['configPath: ""', 'configPath'],
  ['binaryPath: ""', 'binaryPath'],
  ['serviceCluster: ""', 'serviceCluster'],
  ['tracingServiceName: CANONICAL_NAME_ONLY', ''],
  ['drainDuration: 0s', 'drainDuration'],
  ['drainDuration: -5s', 'drainDuration'],
  ['drainDuration: 1500ms', 'drainDuration'],
  ['drainDuration: 1m', ''],
  ['terminationDrainDuration: -1s', 'terminationDrainDuration'],
  ['terminationDrainDuration: 0s', ''],
  ...[
    '""',
    'istiod',
    '":15012"',
    '"a:b:1"',
    '"::1:15012"',
    '"a:0"',
    '"a:65536"',
    '"a_b:1"',
    '"1.2.3:1"',
    '"https://a:1"',
    '"*.x:1"',
  ].map(address => [`discoveryAddress: ${address}`, 'discoveryAddress'] as const),
  ...['"[::1]:15012"', '"istiod.x.svc.:15012"', '127.0.0.1:15010', '"UPPER.x:15012"'].map(
    address => [`discoveryAddress: ${address}`, ''] as const,
  ),
  ['statsdUdpAddress: s', 'statsdUdpAddress'],
  ['statsdUdpAddress: ""', ''],
  ['envoyMetricsService: {address: a}', 'envoyMetricsService'],
  ['envoyAccessLogService: {address: "a:x"}', 'envoyAccessLogService'],
  ['envoyAccessLogService: {address: "a:1"}', ''],
  ['proxyAdminPort: 0', 'proxyAdminPort'],
  ['proxyAdminPort: 65536', 'proxyAdminPort'],
  ['statusPort: -1', 'statusPort'],
  ['statusPort: 15999', ''],
  ['statusPort: 15021', 'statusPort'],
  ['proxyAdminPort: 15001', 'proxyAdminPort'],
  ['statusPort: 15000', 'statusPort'],
  ['concurrency: -1', 'concurrency'],
  ['concurrency: 0', ''],
  ['tracing: {zipkin: {address: z}}', 'tracing'],
  ['tracing: {zipkin: {address: "$(HOST_IP):9411"}}', ''],
  ['tracing: {datadog: {address: ""}}', 'tracing'],
  ['tracing: {lightstep: {address: "l:1"}}', 'tracing'],
  ['tracing: {lightstep: {address: "l:1", accessToken: t}}', ''],
  ['tracing: {tlsSettings: {mode: MUTUAL}}', 'tracing'],
  ['privateKeyProvider: {}', 'privateKeyProvider'],
  ['privateKeyProvider: {qat: {}}', 'privateKeyProvider'],
  ['privateKeyProvider: {cryptomb: {pollDelay: 0s}}', 'privateKeyProvider'],
  ['privateKeyProvider: {cryptomb: {pollDelay: 10ms}}', ''],
  ['connectionSettings: {httpIdleTimeout: -1s}', 'connectionSettings'],
  ['connectionSettings: {httpMaxConcurrentStreams: 0}', 'connectionSettings'],
  ['connectionSettings: {http2InitialStreamWindowSize: 65534}', 'connectionSettings'],
  ['connectionSettings: {listenerPerConnectionBufferLimitBytes: -1}', 'connectionSettings'],
  ['connectionSettings: {httpIdleTimeout: 0s, httpMaxConcurrentStreams: 1, httpMergeSlashes: true}', ''],
  ['proxyMetadata: {"": a}', 'proxyMetadata'],
  ['proxyMetadata: {"A=B": a}', 'proxyMetadata'],
  ['proxyMetadata: {A.b-C: a}', ''],
];

const settings = settingsOf({ values: '{}', mesh: '' });

for (const [yaml, field] of table)
  test(`${yaml}${field ? ' is wrong' : ''}`, () => {
    const mesh = `defaultConfig:\n  ${yaml}`;
    const { MeshConfig, problems } = contentsOf({
      objects: [{ apiVersion: '', kind: 'MeshConfig', metadata: { name: 'istio' }, data: { mesh } } as never],
      problems: [],
    });
    const found = [...problems.values()]
      .flat()
      .map(({ severity, path }) => `${severity} ${path.split(/[.[]/).slice(0, 4).join('.')}`);
    assert.deepEqual([...new Set(found)], field ? [`error data.mesh.defaultConfig.${field}`] : []);
    const inForce = [...MeshConfig.values()][0]?.spec.defaultConfig as { readonly [field: string]: unknown };
    const standard = defaultProxyConfig as { readonly [field: string]: unknown };
    // The rest of the settings is in force.
    if (field) assert.deepEqual(inForce[field], standard[field]);

    const pod = {
      metadata: { annotations: { 'proxy.istio.io/config': yaml } },
      spec: { containers: [{ name: 'web', image: 'web' }] },
    } as Pod;
    const injection = injectPod(pod, settings, { namespace: 'default', native: false });
    assert.equal(injection.kind, field ? 'refuse' : 'inject');
    if (injection.kind === 'refuse') assert.match(injection.problems[0]?.message ?? '', new RegExp(`: ${field}`));
  });

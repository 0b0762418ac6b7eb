import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed } from '../../src/proto/any.ts';
import { fromJson, toJson } from '../../src/proto/json.ts';
import type { MessageName, MessageTypes } from '../../src/proto/message.ts';
import { bool, duration, struct, uint32, uint64 } from '../../src/proto/wellknown.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const ROUTE = 'envoy.config.route.v3.RouteAction';
const VIRTUAL_SERVICE = 'istio.networking.v1alpha3.VirtualService';

const written: readonly (readonly [string, unknown, unknown])[] = [
  ['enums by name', toJson(CLUSTER, { type: 3, lb_policy: 0 }), { type: 'EDS' }],
  ['unknown enum values by number', toJson(ROUTE, { priority: 77 as 1 }), { priority: 77 }],
  [
    'zeros only where they differ from absence',
    toJson(CLUSTER, { name: '', eds_cluster_config: {} }),
    { eds_cluster_config: {} },
  ],
  ['a zero in a oneof', toJson('google.protobuf.Value', { number_value: 0 }), 0],
  ['empty lists and maps are absent', toJson(CLUSTER, { health_checks: [], typed_extension_protocol_options: {} }), {}],
  [
    'wrappers',
    toJson(ROUTE, { max_grpc_timeout: duration(0), append_x_forwarded_host: true }),
    { append_x_forwarded_host: true, max_grpc_timeout: '0s' },
  ],
  ['64-bit integers as texts', toJson('google.protobuf.UInt64Value', uint64(5)), '5'],
  ['false in a wrapper', toJson('google.protobuf.BoolValue', bool(false)), false],
  ['bytes', toJson('google.protobuf.BytesValue', { value: Buffer.from([255, 254]) }), '//4='],
  ['floats shortest', toJson('google.protobuf.FloatValue', { value: Math.fround(0.1) }), 0.1],
  ['not a number', toJson('google.protobuf.DoubleValue', { value: Number.NaN }), 'NaN'],
  [
    'structures sorted',
    JSON.stringify(toJson('google.protobuf.Struct', struct({ b: [1, { z: 1, y: null }], a: true }))),
    '{"a":true,"b":[1,{"y":null,"z":1}]}',
  ],
  [
    'timestamps',
    toJson('google.protobuf.Timestamp', { seconds: 1700000000, nanos: 25_000_000 }),
    '2023-11-14T22:13:20.025Z',
  ],
  ['field masks', toJson('google.protobuf.FieldMask', { paths: ['foo_bar.baz_q', 'a'] }), 'fooBar.bazQ,a'],
  ['an empty Any', toJson('google.protobuf.Any', {}), {}],
  [
    'an Any with its message inlined',
    toJson(
      'google.protobuf.Any',
      typed('envoy.extensions.filters.http.router.v3.Router', { dynamic_stats: bool(false) }),
    ),
    { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router', dynamic_stats: false },
  ],
  [
    'a well-known type in an Any',
    toJson('google.protobuf.Any', typed('google.protobuf.Duration', duration(1500))),
    { '@type': 'type.googleapis.com/google.protobuf.Duration', value: '1.500s' },
  ],
];
for (const [name, actual, expected] of written) test(`writes ${name}`, () => assert.deepEqual(actual, expected));

for (const [milliseconds, text] of [
  [0, '0s'],
  [10_000, '10s'],
  [25, '0.025s'],
  [0.025, '0.000025s'],
  [-1500, '-1.500s'],
  [-25, '-0.025s'],
] as const)
  test(`writes ${milliseconds} ms as ${text}`, () =>
    assert.equal(toJson('google.protobuf.Duration', duration(milliseconds)), text));

test('an Any of an unknown type cannot be written', () => {
  assert.throws(
    () => toJson('google.protobuf.Any', { type_url: 'type.googleapis.com/no.Such' }),
    /unknown type .*no\.Such/,
  );
});

/** Reads and expects no problems. */
function read<N extends MessageName>(name: N, raw: unknown): MessageTypes[N] {
  const { value, problems } = fromJson(name, raw);
  assert.deepEqual(problems, []);
  return value;
}

test('fields are read by proto name and by JSON name', () => {
  const expected = { connect_timeout: { seconds: 1, nanos: 500_000_000 } };
  assert.deepEqual(read(CLUSTER, { connect_timeout: '1.5s' }), expected);
  assert.deepEqual(read(CLUSTER, { connectTimeout: '1.5s' }), expected);
  const outlier = { consecutive5xxErrors: uint32(3) };
  assert.deepEqual(read('istio.networking.v1alpha3.OutlierDetection', { consecutive5xxErrors: 3 }), outlier);
  assert.deepEqual(read('istio.networking.v1alpha3.OutlierDetection', { consecutive_5xx_errors: 3 }), outlier);
  assert.deepEqual(read('istio.mesh.v1alpha1.MeshConfig', { mesh_mTLS: {} }), { meshMTLS: {} });
});

test('numbers are read from texts, enums from names and numbers, null is absence', () => {
  assert.deepEqual(read(CLUSTER, { type: 'EDS', lb_policy: 2, name: null, per_connection_buffer_limit_bytes: '7' }), {
    type: 3,
    lb_policy: 2,
    per_connection_buffer_limit_bytes: { value: 7 },
  });
  assert.deepEqual(read('google.protobuf.Struct', { a: null }), { fields: { a: { null_value: 0 } } });
});

test('durations have the syntax of Go, in Envoy’s messages as in Istio’s', () => {
  const timeout = (text: string) => read(VIRTUAL_SERVICE, { http: [{ timeout: text }] }).http?.[0]?.timeout;
  assert.deepEqual(timeout('1h'), { seconds: 3600 });
  assert.deepEqual(timeout('100ms'), { nanos: 100_000_000 });
  assert.deepEqual(timeout('1m1.57s'), { seconds: 61, nanos: 570_000_000 });
  assert.deepEqual(timeout('0'), {});
  assert.deepEqual(read(CLUSTER, { connect_timeout: '100ms' }), { connect_timeout: { nanos: 100_000_000 } });
  for (const text of ['5', 's', '', '1d', '1 s', '1h-2m', '.s', `${'9'.repeat(400)}h`, 5])
    assert.equal(
      fromJson(VIRTUAL_SERVICE, { http: [{ timeout: text }] }).problems[0]?.path,
      'http[0].timeout',
      String(text),
    );
});

test('an Any is read by its @type', () => {
  const raw = { '@type': 'type.googleapis.com/envoy.config.route.v3.RetryPolicy', retry_on: '5xx', numRetries: 2 };
  assert.deepEqual(
    read('google.protobuf.Any', raw),
    typed('envoy.config.route.v3.RetryPolicy', { retry_on: '5xx', num_retries: uint32(2) }),
  );
  const wrong = fromJson('envoy.config.core.v3.TypedExtensionConfig', { typed_config: { ...raw, nope: 1 }, name: 'x' });
  assert.deepEqual(wrong.problems, [{ path: 'typed_config.nope', message: 'unknown field', kind: 'unknown field' }]);
  assert.equal(wrong.value.name, 'x');
  let nested: unknown = {};
  for (let i = 0; i < 200; i++) nested = { a: nested };
  const deep = fromJson('google.protobuf.Any', {
    '@type': 'type.googleapis.com/google.protobuf.Struct',
    value: nested,
  });
  assert.match(deep.problems[0]?.message ?? '', /cannot be encoded: max depth/);
});

const problems: readonly (readonly [unknown, string, RegExp])[] = [
  [{ hots: [] }, 'hots', /unknown field/],
  [{ hosts: 'a' }, 'hosts', /expected a list, found "a"/],
  [{ hosts: ['a', 1] }, 'hosts[1]', /expected a text, found 1/],
  [{ http: [{}, { route: [{ weight: 1.5 }] }] }, 'http[1].route[0].weight', /expected a whole number, found 1.5/],
  [{ http: [{ route: [{ weight: 2 ** 31 }] }] }, 'http[0].route[0].weight', /out of range/],
  [
    { http: [{ match: [{ uri: { exact: '/a', prefix: '/b' } }] }] },
    'http[0].match[0].uri.prefix',
    /only one of exact and prefix/,
  ],
  [
    { http: [{ match: [{ headers: { 'x-user': { exakt: 'a' } } }] }] },
    'http[0].match[0].headers["x-user"].exakt',
    /unknown field/,
  ],
  [{ http: [{ rewrite: [] }] }, 'http[0].rewrite', /expected an object, found a list/],
  [
    { http: [{ retries: { retryIgnorePreviousHosts: 'yes' } }] },
    'http[0].retries.retryIgnorePreviousHosts',
    /true or false/,
  ],
  [{ exportTo: ['.'], export_to: ['*'] }, 'export_to', /same field as exportTo/],
  [[], '', /expected an object, found a list/],
];
for (const [raw, path, message] of problems)
  test(`reports ${path || 'the whole'} of ${JSON.stringify(raw)}`, () => {
    const read = fromJson(VIRTUAL_SERVICE, raw);
    assert.equal(read.problems.length, 1);
    assert.equal(read.problems[0]?.path, path);
    assert.match(read.problems[0]?.message ?? '', message);
  });

test('what is wrong is left out, the rest is read', () => {
  const { value } = fromJson(VIRTUAL_SERVICE, {
    hosts: ['reviews'],
    http: [
      {
        name: 'a',
        timeout: 'soon',
        match: [{ uri: { exact: '/a', prefix: '/b' } }],
        route: [{ weight: 90, destination: { host: 7 } }],
      },
    ],
  });
  assert.deepEqual(value, {
    hosts: ['reviews'],
    http: [{ name: 'a', match: [{ uri: { prefix: '/b' } }], route: [{ weight: 90, destination: {} }] }],
  });
});

test('an unknown enum value names the known ones', () => {
  const { problems } = fromJson('istio.networking.v1alpha3.ServiceEntry', { resolution: 'DSN' });
  assert.equal(problems[0]?.path, 'resolution');
  assert.match(problems[0]?.message ?? '', /unknown value "DSN", expected one of NONE, STATIC, DNS/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findAllFaults, pathText } from '../../src/proto/faults.ts';
import type { AnyMessage } from '../../src/proto/message.ts';
import { struct } from '../../src/proto/wellknown.ts';
import type { Json } from '../../src/unknown.ts';

const said = (name: string, message: AnyMessage): readonly string[] =>
  findAllFaults(`envoy.extensions.filters.${name}`, message).map(({ path }) => pathText(path));

const bucket = (seconds: number, nanos = 0): AnyMessage => ({ max_tokens: 1, fill_interval: { seconds, nanos } });
const entries = [{ key: 'a', value: 'b' }];

/** Each was shown to Envoy 1.40.0 in a listener; it refuses those that have a path. */
const cases: readonly (readonly [name: string, message: AnyMessage, paths: readonly string[]])[] = [
  ['http.local_ratelimit.v3.LocalRateLimit', { stat_prefix: 'x', token_bucket: bucket(0, 50e6) }, []],
  ['http.local_ratelimit.v3.LocalRateLimit', { stat_prefix: 'x' }, []],
  [
    'http.local_ratelimit.v3.LocalRateLimit',
    { stat_prefix: 'x', token_bucket: bucket(0, 49e6) },
    ['token_bucket.fill_interval'],
  ],
  [
    'network.local_ratelimit.v3.LocalRateLimit',
    { stat_prefix: 'x', token_bucket: bucket(0, 1e6) },
    ['token_bucket.fill_interval'],
  ],
  [
    'http.local_ratelimit.v3.LocalRateLimit',
    { stat_prefix: 'x', token_bucket: bucket(1), descriptors: [{ entries, token_bucket: bucket(0, 10e6) }] },
    ['descriptors[0].token_bucket.fill_interval'],
  ],
  [
    'http.local_ratelimit.v3.LocalRateLimit',
    {
      stat_prefix: 'x',
      token_bucket: bucket(1),
      descriptors: [
        { entries, token_bucket: bucket(1) },
        { entries, token_bucket: bucket(2) },
      ],
    },
    ['descriptors[1]'],
  ],
  ['http.lua.v3.Lua', {}, []],
  ['http.lua.v3.Lua', { inline_code: 'x', default_source_code: { inline_string: 'x' } }, ['default_source_code']],
  ['http.header_to_metadata.v3.Config', { request_rules: [{ header: 'x', on_header_present: { key: 'a' } }] }, []],
  ['http.header_to_metadata.v3.Config', { request_rules: [{ header: 'x' }] }, ['request_rules[0].on_header_present']],
  [
    'http.header_to_metadata.v3.Config',
    { request_rules: [{ header: 'x', cookie: 'y', on_header_present: { key: 'a' } }] },
    ['request_rules[0].cookie'],
  ],
  [
    'http.header_to_metadata.v3.Config',
    { request_rules: [{ header: 'x', on_header_missing: { key: 'a' } }] },
    ['request_rules[0].on_header_missing.value'],
  ],
];

for (const [name, message, paths] of cases)
  test(`${name} ${JSON.stringify(message)}`, () => assert.deepEqual(said(name, message), paths));

const limit = 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const interval = (fill_interval: string): Json => ({
  stat_prefix: 'x',
  token_bucket: { max_tokens: 1, fill_interval },
});

/** What Envoy 1.40.0 says of a TypedStruct in the place of a filter's configuration. */
const structs: readonly (readonly [value: Json, taken: boolean])[] = [
  [{ stat_prefix: 'x' }, true],
  [{ statPrefix: 'x' }, true],
  [interval('1s'), true],
  [{ stat_prefix: 'x', token_bucket: { max_tokens: '1', fill_interval: '0.050s' } }, true],
  [{ stat_prefix: 'x', enable_x_ratelimit_headers: 1 }, true],
  [{ stat_prefix: 'x', not_a_field: 1 }, true],
  [{}, false],
  [{ stat_prefix: '' }, false],
  [{ stat_prefix: ['x'] }, false],
  [{ stat_prefix: 'x', stage: 1.5 }, false],
  [interval('0.01s'), false],
  [interval('500ms'), false],
  [interval('1m'), false],
];

for (const [json, taken] of structs)
  for (const type of ['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct'])
    test(`${type} ${JSON.stringify(json)}`, () => {
      const message = { type_url: limit, value: struct(json as Record<string, Json>) };
      assert.equal(findAllFaults(type, message).length === 0, taken);
    });

test('a TypedStruct of a type that is not known is left to Envoy', () =>
  assert.deepEqual(findAllFaults('xds.type.v3.TypedStruct', { type_url: 'a/nope.Nope', value: struct({ a: 1 }) }), []));

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findAllFaults, pathText } from '../../src/proto/faults.ts';
import type { AnyMessage } from '../../src/proto/message.ts';

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

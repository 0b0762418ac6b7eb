import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed } from '../../../src/proto/any.ts';
import type { VirtualHost } from '../../../src/proto/generated/envoy/config/route/v3.ts';
import type { CorsPolicy } from '../../../src/proto/generated/envoy/extensions/filters/http/cors/v3.ts';
import { requestOf } from '../route/route.ts';
import { corsOutcome } from './cors.ts';

const filters = [{ name: 'cors', typed_config: typed('envoy.extensions.filters.http.cors.v3.Cors', {}) }];
const allowed = [{ exact: 'https://a.example' }];
const virtualHost = (policy: CorsPolicy): VirtualHost => ({
  typed_per_filter_config: {
    'envoy.filters.http.cors': typed('envoy.extensions.filters.http.cors.v3.CorsPolicy', policy),
  },
});
const request = (headers: Readonly<Record<string, string>>, method = 'GET') =>
  requestOf({ direction: 'outbound', address: '10.0.0.7', port: 80, method, headers });
const origin = { origin: 'https://a.example' };

test('the virtual host may have the policy', () =>
  assert.deepEqual(corsOutcome(filters, virtualHost({ allow_origin_string_match: allowed }), {}, request(origin)), {
    responseHeaders: { set: { 'access-control-allow-origin': 'https://a.example' }, removed: [] },
  }));

test('a policy that is off does nothing', () => {
  const off = { allow_origin_string_match: allowed, filter_enabled: { default_value: { numerator: 0 } } };
  assert.deepEqual(corsOutcome(filters, virtualHost(off), {}, request(origin)), {});
});

test('a request without an origin is none of its business', () =>
  assert.deepEqual(corsOutcome(filters, virtualHost({ allow_origin_string_match: allowed }), {}, request({})), {}));

test('OPTIONS that asks for no method is no preflight', () =>
  assert.equal(
    corsOutcome(filters, virtualHost({ allow_origin_string_match: allowed }), {}, request(origin, 'OPTIONS')).response,
    undefined,
  ));

test('a policy without the filter does nothing', () =>
  assert.deepEqual(corsOutcome([], virtualHost({ allow_origin_string_match: allowed }), {}, request(origin)), {}));

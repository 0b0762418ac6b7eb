import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson, toJson } from '../../src/proto/json.ts';
import type { MessageName, MessageTypes } from '../../src/proto/message.ts';
import { merge } from '../../src/translate/envoy-filter/merge.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const ROUTE = 'envoy.config.route.v3.Route';

function read<N extends MessageName>(name: N, json: unknown): MessageTypes[N] {
  const { value, problems } = fromJson(name, json);
  assert.deepEqual(problems, []);
  return value;
}

interface Case {
  readonly what: string;
  readonly into: unknown;
  readonly patch: unknown;
  readonly result: unknown;
  readonly replace?: boolean;
  readonly type?: MessageName;
}

const cases: readonly Case[] = [
  {
    what: 'a scalar is replaced',
    into: { name: 'a', lb_policy: 'RANDOM' },
    patch: { lb_policy: 'MAGLEV' },
    result: { name: 'a', lb_policy: 'MAGLEV' },
  },
  {
    what: 'a zero is no value',
    into: { lb_policy: 'RANDOM' },
    patch: { lb_policy: 'ROUND_ROBIN', name: '' },
    result: { lb_policy: 'RANDOM' },
  },
  {
    what: 'a duration is replaced, not merged',
    into: { connect_timeout: '1.5s' },
    patch: { connect_timeout: '7s' },
    result: { connect_timeout: '7s' },
  },
  {
    what: 'a wrapped number is replaced',
    into: { max_requests_per_connection: 3 },
    patch: { max_requests_per_connection: 9 },
    result: { max_requests_per_connection: 9 },
  },
  {
    what: 'a wrapped false does not overrule true, as in istiod',
    into: { ignore_health_on_host_removal: true, common_lb_config: { locality_weighted_lb_config: {} } },
    patch: { upstream_connection_options: { set_local_interface_name_on_upstream_connections: false } },
    result: {
      ignore_health_on_host_removal: true,
      common_lb_config: { locality_weighted_lb_config: {} },
      upstream_connection_options: {},
    },
  },
  {
    what: 'messages are merged field by field, lists appended',
    into: { circuit_breakers: { thresholds: [{ max_connections: 1 }] }, outlier_detection: { interval: '1s' } },
    patch: { circuit_breakers: { thresholds: [{ max_requests: 2 }] }, outlier_detection: { consecutive_5xx: 3 } },
    result: {
      circuit_breakers: { thresholds: [{ max_connections: 1 }, { max_requests: 2 }] },
      outlier_detection: { consecutive_5xx: 3, interval: '1s' },
    },
  },
  {
    what: 'lists are replaced where that is the operation, at every depth',
    into: { circuit_breakers: { thresholds: [{ max_connections: 1 }] } },
    patch: { circuit_breakers: { thresholds: [{ max_requests: 2 }] } },
    result: { circuit_breakers: { thresholds: [{ max_requests: 2 }] } },
    replace: true,
  },
  {
    what: 'an empty list replaces nothing',
    into: { circuit_breakers: { thresholds: [{ max_connections: 1 }] } },
    patch: { circuit_breakers: { thresholds: [] } },
    result: { circuit_breakers: { thresholds: [{ max_connections: 1 }] } },
    replace: true,
  },
  {
    what: 'entries of a map are replaced as a whole',
    into: { metadata: { filter_metadata: { a: { x: 1, y: 2 }, b: { z: 3 } } } },
    patch: { metadata: { filter_metadata: { a: { x: 9 } } } },
    result: { metadata: { filter_metadata: { a: { x: 9 }, b: { z: 3 } } } },
  },
  {
    what: 'a member of a oneof takes the place of another',
    into: { name: 'r', redirect: { path_redirect: '/' } },
    patch: { route: { cluster: 'c' } },
    result: { name: 'r', route: { cluster: 'c' } },
    type: ROUTE,
  },
  {
    what: 'the same member of a oneof is merged; a zero in it counts',
    into: { match: { prefix: '/a' }, route: { cluster: 'c', timeout: '3s' } },
    patch: { match: { prefix: '' }, route: { cluster_header: 'x-to' } },
    result: { match: { prefix: '' }, route: { cluster_header: 'x-to', timeout: '3s' } },
    type: ROUTE,
  },
  {
    what: 'an Any is replaced',
    into: { typed_per_filter_config: { a: { '@type': 'type.googleapis.com/google.protobuf.BoolValue', value: true } } },
    patch: {
      typed_per_filter_config: { a: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 's' } },
    },
    result: {
      typed_per_filter_config: { a: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 's' } },
    },
    type: ROUTE,
  },
];

for (const { what, into, patch, result, replace = false, type = CLUSTER } of cases)
  test(`merge: ${what}`, () => {
    const before = read(type, into);
    const text = JSON.stringify(toJson(type, before));
    const merged = merge(type, before, read(type, patch), replace);
    assert.deepEqual(toJson(type, merged), toJson(type, read(type, result)));
    assert.equal(JSON.stringify(toJson(type, before)), text);
  });

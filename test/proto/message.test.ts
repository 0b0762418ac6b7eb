import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findType } from '../../src/proto/bundle.ts';
import { Cluster_DiscoveryType } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { LbEndpoint } from '../../src/proto/generated/envoy/config/endpoint/v3.ts';
import { decode, encode, encodeMessage } from '../../src/proto/message.ts';
import { duration, struct, uint32 } from '../../src/proto/wellknown.ts';

const CLUSTER = 'envoy.config.cluster.v3.Cluster';

test('a message comes back as it was, with only the fields that were set', () => {
  const cluster = {
    name: 'outbound|9080||reviews.default.svc.cluster.local',
    type: Cluster_DiscoveryType.EDS,
    connect_timeout: duration(10_000),
    per_connection_buffer_limit_bytes: uint32(4294967295),
    metadata: { filter_metadata: { istio: struct({ services: [{ name: 'reviews' }], weight: 1.5, none: null }) } },
  };
  assert.deepEqual(decode(CLUSTER, encode(CLUSTER, cluster)), cluster);
});

test('undefined fields are not written', () => {
  const bytes = encode(CLUSTER, { name: 'a', connect_timeout: undefined, metadata: undefined });
  assert.deepEqual(bytes, encode(CLUSTER, { name: 'a' }));
});

test('the order of map entries does not show in the bytes, at any depth, and the message stays as it was', () => {
  const fields = (order: readonly string[]): { [key: string]: { [key: string]: number } } =>
    Object.fromEntries(order.map(key => [key, Object.fromEntries(order.map(inner => [inner, 1]))]));
  const cluster = (order: readonly string[]) => ({
    metadata: { filter_metadata: Object.fromEntries(order.map(key => [key, struct(fields(order))])) },
    load_assignment: { endpoints: [{}, { metadata: { filter_metadata: { istio: struct(fields(order)) } } }] },
  });
  const one = cluster(['b', 'a', '10', '9', 'c']);
  assert.deepEqual(encode(CLUSTER, one), encode(CLUSTER, cluster(['9', 'c', '10', 'a', 'b'])));
  assert.deepEqual(Object.keys(one.metadata.filter_metadata), ['9', '10', 'b', 'a', 'c']);
});

test('the key __proto__ is an entry like any other', () => {
  const table = Object.fromEntries([
    ['b', { ips: ['1.1.1.1'] }],
    ['__proto__', { ips: ['2.2.2.2'] }],
  ]);
  const back = decode('istio.networking.nds.v1.NameTable', encode('istio.networking.nds.v1.NameTable', { table }));
  assert.deepEqual(Object.keys(back.table ?? {}).sort(), ['__proto__', 'b']);
  assert.equal(Object.getPrototypeOf(back.table), Object.prototype);
});

test('64-bit integers are numbers', () => {
  const name = 'google.protobuf.UInt64Value';
  for (const value of [1, 4294967296, Number.MAX_SAFE_INTEGER])
    assert.deepEqual(decode(name, encode(name, { value })), { value });
  assert.deepEqual(decode('google.protobuf.Int64Value', encode('google.protobuf.Int64Value', { value: -5 })), {
    value: -5,
  });
});

test('repeated numbers are packed as proto3 has it', () => {
  const bytes = encode('envoy.config.route.v3.RetryPolicy', { retriable_status_codes: [503, 504] });
  assert.equal(bytes.toString('hex'), '3a04f703f803');
});

test('malformed bytes and unknown types throw', () => {
  assert.throws(() => decode(CLUSTER, Buffer.from([0x22, 0x20, 0x08])));
  assert.throws(
    () => encodeMessage('envoy.config.cluster.v3.Clutser', {}),
    /unknown message type envoy.config.cluster.v3.Clutser/,
  );
});

test('a oneof takes one member', () => {
  const one: LbEndpoint = { endpoint: { hostname: 'a' } };
  const none: LbEndpoint = {};
  // @ts-expect-error two members of host_identifier
  const two: LbEndpoint = { endpoint: { hostname: 'a' }, endpoint_name: 'b' };
  assert.ok(one && none && two);
});

test('names in Envoy are proto names, in the configuration of Istio JSON names', () => {
  const names = (type: string) => Object.keys(findType(type)?.fields ?? {});
  assert.ok(names(CLUSTER).includes('connect_timeout'));
  assert.ok(names('google.protobuf.Any').includes('type_url'));
  assert.ok(names('istio.networking.v1alpha3.DestinationRule').includes('trafficPolicy'));
  assert.ok(names('istio.mesh.v1alpha1.MeshConfig').includes('meshMTLS'));
  assert.ok(names('istio.networking.nds.v1.NameTable.NameInfo').includes('alt_hosts'));
});

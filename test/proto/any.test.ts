import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed, typeUrl, unpackAs } from '../../src/proto/any.ts';
import { decode, encode, type MessageName } from '../../src/proto/message.ts';

const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';

test('a message goes into an Any and comes out', () => {
  const any = typed(ROUTER, { suppress_envoy_headers: true });
  assert.equal(any.type_url, 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router');
  assert.equal(any.type_url, typeUrl(ROUTER));
  const through = decode('google.protobuf.Any', encode('google.protobuf.Any', any));
  assert.deepEqual(unpackAs(ROUTER, through), { suppress_envoy_headers: true });
});

test('an unknown or unexpected type throws', () => {
  assert.throws(
    () => typed('envoy.extensions.filters.http.rooter.v3.Router' as MessageName, {}),
    /unknown message type/,
  );
  assert.throws(
    () => unpackAs('google.protobuf.Empty', typed(ROUTER, {})),
    /expected google.protobuf.Empty, found envoy/,
  );
});

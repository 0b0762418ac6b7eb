import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, encode } from '../../src/proto/message.ts';
import { decodeRequest } from '../../src/xds/request.ts';

const name = 'envoy.service.discovery.v3.DeltaDiscoveryRequest';
const text = fc.string({ maxLength: 8 });
const message = fc.record(
  {
    node: fc.record({ id: text }),
    type_url: text,
    resource_names_subscribe: fc.array(text, { maxLength: 3 }),
    resource_names_unsubscribe: fc.array(text, { maxLength: 3 }),
    initial_resource_versions: fc.dictionary(
      text.filter(key => key !== '__proto__'),
      text,
      { maxKeys: 4 },
    ),
    response_nonce: text,
    error_detail: fc.record({ code: fc.nat(), message: text }),
  },
  { requiredKeys: [] },
);

test('a delta request is read as protobufjs reads it, its versions too, in whatever pieces and order they are written', () => {
  let versions = 0;
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 3 }), messages => {
      const bytes = Buffer.concat(messages.map(one => encode(name, one)));
      const expected = decode(name, bytes);
      const { node, typeUrl, request } = decodeRequest('delta', bytes);
      assert.equal(request.protocol, 'delta');
      assert.deepEqual(node, expected.node);
      assert.equal(typeUrl, expected.type_url ?? '');
      if (request.protocol !== 'delta') return;
      assert.deepEqual(
        [request.nonce, request.subscribe, request.unsubscribe, request.error],
        [
          expected.response_nonce ?? '',
          expected.resource_names_subscribe ?? [],
          expected.resource_names_unsubscribe ?? [],
          expected.error_detail && {
            code: expected.error_detail.code ?? 0,
            message: expected.error_detail.message ?? '',
          },
        ],
      );
      assert.deepEqual(request.initial, new Map(Object.entries(expected.initial_resource_versions ?? {})));
      versions += request.initial.size;
    }),
  );
  assert.ok(versions > 50);
});

test('a request that is cut off in the middle of its versions is malformed', () => {
  const whole = encode(name, { type_url: 'a', initial_resource_versions: { name: 'version' } });
  for (const length of [whole.length - 1, whole.length - 8, whole.length - 15])
    assert.throws(() => decodeRequest('delta', whole.subarray(0, length)));
});

test('versions are entries whatever they are called', () => {
  const bytes = encode(name, { initial_resource_versions: JSON.parse('{"__proto__": "1", "constructor": "2"}') });
  const { request } = decodeRequest('delta', bytes);
  assert.ok(request.protocol === 'delta');
  assert.deepEqual(request.initial, new Map(Object.entries({ constructor: '2', ['__proto__']: '1' })));
});

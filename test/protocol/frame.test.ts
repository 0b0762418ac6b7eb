import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../../src/proto/message.ts';
import { type Frame, Frames, type Protocol } from '../../src/xds/frame.ts';
import { ALL, nameSet } from '../../src/xds/name-set.ts';
import type { EncodedResource } from '../../src/xds/resource.ts';
import { resourceType, type XdsType } from '../../src/xds/resource-types.ts';
import { difference, emptyView, view } from '../../src/xds/view.ts';
import { resourceSet } from './made-up.ts';

/** The one gRPC message of a frame, as Envoy reads it. */
function read(protocol: Protocol, { buffers, size, nonce, version }: Frame) {
  const bytes = Buffer.concat(buffers);
  assert.equal(bytes.length, size);
  assert.deepEqual([bytes.readUInt8(0), bytes.readUInt32BE(1)], [0, size - 5]);
  const message = bytes.subarray(5);
  const response =
    protocol === 'delta'
      ? decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', message)
      : decode('envoy.service.discovery.v3.DiscoveryResponse', message);
  assert.equal(response.nonce, nonce);
  const resources = (response.resources ?? []).map(item => {
    const any = 'resource' in item ? item.resource : item;
    const name = 'resource' in item ? [`${item.name ?? ''} ${item.version ?? ''}`.trim()] : [];
    const { type_url, value } = any as { type_url?: string; value?: Uint8Array };
    return [...name, type_url, Buffer.from(value ?? []).toString('base64')];
  });
  const told = 'version_info' in response ? response.version_info : undefined;
  const system = 'system_version_info' in response ? response.system_version_info : undefined;
  assert.equal(told ?? system ?? '', version);
  return {
    typeUrl: response.type_url,
    by: response.control_plane?.identifier ?? '',
    resources,
    removed: 'removed_resources' in response ? (response.removed_resources ?? []) : [],
  };
}

/** Around every length at which a protobuf length takes a byte more. */
const lengths = [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152];
const url = 'type.googleapis.com/a.B';

for (const protocol of ['sotw', 'delta'] as const)
  test(`a response says what it is given, of whatever length its parts are (${protocol})`, () => {
    for (const identifier of ['', 'us', 'x'.repeat(200)]) {
      const frames = new Frames(identifier);
      for (const length of lengths) {
        const value = Buffer.alloc(length, 'v');
        // Names are long, too, but for gRPC's sake not as long as values.
        const name = 'n'.repeat(Math.min(length, 20_000));
        const given = [
          { typeUrl: url, name, value },
          { typeUrl: url, name: 'other', value: Buffer.from('o') },
        ];
        const removed = ['gone', `g${name}`];
        const inDelta = protocol === 'delta';
        assert.deepEqual(read(protocol, frames.other(protocol, url, given, removed)), {
          typeUrl: url,
          by: identifier,
          resources: given.map(r => [...(inDelta ? [r.name] : []), url, r.value.toString('base64')]),
          removed: inDelta ? removed : [],
        });
      }
    }
  });

const resources = (count: number): readonly EncodedResource[] =>
  Array.from({ length: count }, (_, i) => ({
    name: `r${i}`,
    version: `v${i}`,
    bytes: Buffer.alloc(i, 'b'),
    sources: [],
  }));

for (const protocol of ['sotw', 'delta'] as const)
  for (const type of ['cluster', 'endpoint'] satisfies XdsType[])
    test(`what takes a client from nothing to a set is in its response, few or many (${type}, ${protocol})`, () => {
      const frames = new Frames('us');
      for (const count of [1, 31, 32, 33, 200]) {
        const list = resources(count);
        const set = resourceSet(type, list);
        for (const names of [ALL, nameSet(list.slice(1).map(r => r.name))]) {
          const asked = list.filter(r => names.all || r.name !== 'r0');
          const to = view(set, names, undefined);
          const frame = frames.response(protocol, difference(emptyView(type), to), to);
          const { resources: found, removed } = read(protocol, frame);
          const { typeUrl } = resourceType(type);
          const expected = asked.map(r => [
            ...(protocol === 'delta' ? [`${r.name} ${r.version}`] : []),
            typeUrl,
            r.bytes.toString('base64'),
          ]);
          assert.deepEqual(found.toSorted(), expected.toSorted());
          assert.deepEqual(removed, []);
          assert.equal(frame, frames.response(protocol, difference(emptyView(type), to), to), 'it is built once');
        }
      }
    });

test('nonces are never the same', () => {
  const frames = new Frames('us');
  const nonces = Array.from({ length: 100 }, () => frames.other('delta', url, [], []).nonce);
  assert.equal(new Set(nonces).size, nonces.length);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../../src/proto/message.ts';
import { Frames } from '../../src/xds/frame.ts';
import { ALL } from '../../src/xds/name-set.ts';
import { joinedSet, part, type ResourceSet } from '../../src/xds/resource-set.ts';
import { difference, emptyView, view } from '../../src/xds/view.ts';
import { made, resourceSet } from './made-up.ts';

const many = Array.from({ length: 40 }, (_, i) => made('cluster', `shared-${i}`));
const shared = part(many);
const frames = new Frames('test');

const HEAD = 5;

/** The first response with a set, as buffers and as a message. */
function first(protocol: 'sotw' | 'delta', set: ResourceSet) {
  const to = view(set, ALL, undefined);
  const { buffers, size } = frames.response(protocol, difference(emptyView('cluster'), to), to);
  const bytes = Buffer.concat(buffers);
  assert.equal(bytes.length, size);
  assert.equal(bytes.readUInt32BE(1), size - HEAD);
  const name =
    `envoy.service.discovery.v3.${protocol === 'delta' ? 'DeltaDiscoveryResponse' : 'DiscoveryResponse'}` as const;
  const { resources = [] } = decode(name, bytes.subarray(HEAD));
  return { buffers, resources };
}

for (const protocol of ['sotw', 'delta'] as const)
  test(`${protocol}: what sets have in common is one buffer of all their responses, whose bytes are those of a set without parts`, () => {
    const [a, b] = ['a', 'b'].map(name =>
      first(protocol, joinedSet('cluster', [shared, part([made('cluster', name)])])),
    );
    const plain = first(protocol, resourceSet('cluster', [...many, made('cluster', 'a')]));
    assert.ok(a && b);
    assert.deepEqual(a.resources, plain.resources);
    assert.equal(a.resources.length, many.length + 1);
    assert.notDeepEqual(a.resources, b.resources);
    const common = a.buffers.filter(buffer => b.buffers.includes(buffer));
    assert.equal(common.length, 1);
    assert.ok((common[0]?.length ?? 0) > 1_000);
  });

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromJson, toJson } from '../../src/proto/json.ts';
import { decode, encode } from '../../src/proto/message.ts';

/** The text of a number after it was read, encoded, decoded and written. */
function through(name: 'google.protobuf.Int64Value' | 'google.protobuf.UInt64Value', text: string): bigint {
  const { value, problems } = fromJson(name, text);
  assert.deepEqual(problems, []);
  return BigInt(toJson(name, decode(name, encode(name, value))) as string);
}

for (const [name, least, most] of [
  ['google.protobuf.Int64Value', -(2n ** 63n), 2n ** 63n - 1n],
  ['google.protobuf.UInt64Value', 0n, 2n ** 64n - 1n],
] as const)
  test(`a 64-bit number keeps its 53 leading bits, up to the last that there is: ${name}`, () => {
    const edges = [
      least,
      least + 1n,
      2n ** 53n,
      2n ** 53n + 1n,
      most - 2048n,
      most - 1023n,
      most - 511n,
      most - 1n,
      most,
    ];
    let compared = 0;
    const held = (exact: bigint): void => {
      const off = through(name, `${exact}`) - exact;
      const size = exact < 0n ? -exact : exact;
      assert.ok((off < 0n ? -off : off) <= size >> 52n, `${exact}: off by ${off}`);
      compared++;
    };
    edges.forEach(held);
    fc.assert(fc.property(fc.bigInt(least, most), held), { numRuns: 50 });
    assert.ok(compared > 50);
  });

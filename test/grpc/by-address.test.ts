import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByAddress } from '../../src/grpc/by-address.ts';

const hosts = ['10.0.0.1', '10.0.0.2', '::1'] as const;
const step = fc.record({ host: fc.constantFrom(...hosts), item: fc.nat(5), comes: fc.boolean() });

test('the address that has most is found, whatever came and went', () => {
  let compared = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(...hosts), (steps, asking) => {
      const byAddress = new ByAddress<number>();
      const model = new Map<string, number[]>(hosts.map(host => [host, []]));
      for (const { host, item, comes } of steps) {
        const items = model.get(host)?.filter(other => other !== item) ?? [];
        if (!comes) model.set(host, items);
        else if (!model.get(host)?.includes(item)) model.set(host, [...items, item]);
        if (comes) byAddress.add(host, item);
        else byAddress.delete(host, item);
      }
      const sizes = hosts.map(host => model.get(host)?.length ?? 0);
      const most = Math.max(...sizes);
      const found = [...byAddress.most(asking)];
      assert.equal(
        byAddress.size,
        sizes.reduce((sum, size) => sum + size, 0),
      );
      const of = model.get(asking)?.length === most ? asking : hosts.find(host => model.get(host)?.length === most);
      if (model.get(asking)?.length === most) assert.deepEqual(found, model.get(asking));
      assert.equal(found.length, model.get(of ?? '')?.length);
      compared += found.length;
    }),
  );
  assert.ok(compared);
});

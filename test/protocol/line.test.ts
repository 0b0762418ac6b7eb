import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Line } from '../../src/xds/line.ts';

test('a line gives what an array would, in the same order', () => {
  let given = 0;
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.nat(20).map(push => ({ push })) },
    { weight: 3, arbitrary: fc.constant({ shift: true }) },
    { weight: 1, arbitrary: fc.nat(20).map(drop => ({ drop })) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
      const line = new Line<number>();
      const model: number[] = [];
      for (const each of steps) {
        if ('push' in each) {
          line.push(each.push);
          model.push(each.push);
        } else if ('shift' in each) {
          assert.equal(line.shift(), model.shift());
          given++;
        } else {
          line.delete(each.drop);
          const at = model.indexOf(each.drop);
          if (at >= 0) model.splice(at, 1);
        }
        assert.equal(line.size, model.length);
      }
    }),
  );
  assert.ok(given > 1_000);
});

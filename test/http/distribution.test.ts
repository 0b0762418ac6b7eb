import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Histogram, Registry } from 'prom-client';
import { Distribution } from '../../src/http/distribution.ts';

const linesOf = async (registry: Registry): Promise<readonly string[]> =>
  (await registry.metrics())
    .split('\n')
    .map(line => line.replace(/(?<={)(.*)(?=})/, all => all.split(',').sort().join()));

test("a distribution's page is what prom-client's histogram of the same values would have", async () => {
  const bucket = [0.001, 0.01, 0.1, 1, 10];
  const value = fc.oneof(fc.constantFrom(...bucket, 0, 11), fc.double({ min: 0, max: 20, noNaN: true }));
  const options = { name: 'made_up_seconds', help: 'Made up', buckets: bucket };
  let compared = 0;
  for (const label of [undefined, 'kind']) {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(value, fc.constantFrom('a', 'b "quoted"'))), async observed => {
        const [ours, theirs] = [new Registry(), new Registry()];
        const distribution = new Distribution({ ...options, ...(label !== undefined && { label }), register: ours });
        const histogram = new Histogram({
          ...options,
          labelNames: label === undefined ? [] : [label],
          registers: [theirs],
        });
        for (const [each, of] of observed) {
          if (label === undefined) distribution.observe(each);
          else distribution.observe(each, of);
          if (label === undefined) histogram.observe(each);
          else histogram.observe({ [label]: of }, each);
        }
        // prom-client shows a histogram without labels before it has a value.
        if (observed.length === 0) return;
        assert.deepEqual(await linesOf(ours), await linesOf(theirs));
        compared += observed.length;
      }),
    );
  }
  assert.ok(compared > 100);
});

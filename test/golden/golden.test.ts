import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { goldenCases, goldenFiles, outputsOf, rewrite, worldOf, writtenFiles } from '../support/golden.ts';
import { findings } from '../support/validators.ts';

const update = process.env['UPDATE_GOLDEN'] === '1';

for (const golden of goldenCases())
  describe(golden.name, () => {
    const world = worldOf(golden);
    const outputs = outputsOf(world, golden.proxies);

    test(update ? 'written' : 'as written', () => {
      const files = goldenFiles(world, outputs);
      if (update) rewrite(golden.folder, files);
      const written = writtenFiles(golden.folder);
      assert.deepEqual([...written.keys()].sort(), [...files.keys()].sort(), 'npm run test:update makes these files');
      for (const [name, text] of files) assert.equal(text, written.get(name), `${golden.name}/${name}`);
    });

    test('nothing an Envoy would refuse', () => {
      for (const { proxy, messages } of outputs)
        assert.deepEqual(findings(messages, { dangling: golden.dangling }), [], proxy.name);
    });

    test('the same bytes whatever the order of the objects', () => {
      for (const seed of [1, 2]) {
        const again = outputsOf(worldOf(golden, seed), golden.proxies);
        for (const [i, { bytes, problems, proxy }] of outputs.entries()) {
          assert.deepEqual(again[i]?.bytes, bytes, proxy.name);
          assert.deepEqual(again[i]?.problems, problems, proxy.name);
        }
      }
    });
  });

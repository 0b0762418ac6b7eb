import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { assertSame, goldenCases, goldenFiles, outputsOf, rewrite, worldOf, writtenFiles } from '../support/golden.ts';
import { recased } from '../support/letter-case.ts';
import { findings } from '../support/validators.ts';

const update = process.env['UPDATE_GOLDEN'] === '1';

/** Hosts that were written with capitals, by field. */
const hosts = new Map<string, number>();

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
      for (const { proxy, messages, expected } of outputs)
        assert.deepEqual(findings(messages, expected), [], proxy.name);
    });

    test('the same bytes whatever the order of the objects and the letters of hosts', () => {
      const capitals = recased(golden.objects.objects);
      for (const [field, count] of capitals.hosts) hosts.set(field, (hosts.get(field) ?? 0) + count);
      for (const [seed, objects] of [golden.objects, { ...golden.objects, ...capitals }].entries()) {
        assertSame(outputsOf(worldOf({ objects }, seed + 1), golden.proxies), outputs);
      }
    });
  });

after(() => {
  for (const field of ['VirtualService.hosts', 'Destination.host', 'DestinationRule.host'])
    assert.ok(hosts.get(field), `no ${field} was written with capitals: ${[...hosts.keys()]}`);
});

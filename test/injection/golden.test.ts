import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { mapPods } from '../../src/cli/manifests.ts';
import { injectPod } from '../../src/injection/inject.ts';
import { findContainer, type Pod, PROXY } from '../../src/injection/pod.ts';
import { type Sidecar, sidecars } from '../../src/injection/templates/templates.ts';
import { cases, injectIn, objectsIn, settingsOf } from './case.ts';
import { podFaults } from './pod-faults.ts';

// golden/NAME: objects, what `pilotlight inject` makes of them with each sidecar, and the bootstrap of the one without an agent. UPDATE_GOLDEN=1 writes them.

const update = process.env['UPDATE_GOLDEN'] === '1';
let written = 0;

function matches(file: string, text: string): void {
  if (update) writeFileSync(file, text);
  assert.equal(
    text,
    existsSync(file) ? readFileSync(file, 'utf8') : '',
    'UPDATE_GOLDEN=1 writes it anew; read the diff',
  );
  written++;
}

/** The bootstrap in a pod's arguments, as YAML. */
function bootstrapIn(pod: Pod): string {
  const args = findContainer(pod, PROXY)?.args ?? [];
  const config = args.indexOf('--config-yaml');
  return config < 0 ? '' : stringify(parse(args[config + 1] ?? ''));
}

for (const input of globSync(join(import.meta.dirname, 'golden/*/input.yaml')).sort())
  describe(basename(dirname(input)), () => {
    for (const sidecar of Object.keys(sidecars) as Sidecar[])
      test(sidecar, () => {
        const settings = settingsOf({ values: '{}', mesh: '', sidecar });
        let bootstrap = '';
        const text = mapPods(readFileSync(input, 'utf8'), input, ({ pod, namespace, workload }) => {
          const injection = injectPod(pod, settings, { namespace, workload, native: false });
          if (injection.kind !== 'inject') return assert.fail(JSON.stringify(injection));
          bootstrap += bootstrapIn(injection.pod);
          return injection.pod;
        });
        matches(join(dirname(input), `${sidecar}.yaml`), text);
        if (bootstrap) matches(join(dirname(input), `${sidecar}.bootstrap.yaml`), bootstrap);
      });
  });

test('every pod that istioctl is asked about is one that an API server takes with the sidecar without an agent, too', () => {
  let judged = 0;
  for (const of of cases) {
    const [texts = '{}'] = readFileSync(join(of.folder, 'istioctl.jsonl'), 'utf8').split('\n', 1);
    const settings = settingsOf(JSON.parse(texts), of.revision);
    for (const object of objectsIn(readFileSync(of.input, 'utf8'))) {
      const injection = injectIn(object, settings, of.native);
      if (injection?.kind !== 'inject') continue;
      // A StatefulSet's pods have volumes that their template does not tell.
      const faults = podFaults(JSON.parse(JSON.stringify(injection.pod)));
      assert.deepEqual(object['kind'] === 'StatefulSet' ? [] : faults, [], JSON.stringify(object));
      judged++;
    }
  }
  assert.ok(judged > 140, `${judged} pods`);
});

after(() => assert.ok(written >= 10, `${written} files were compared`));

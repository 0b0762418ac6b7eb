import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { assertSame, type GoldenOutput, outputsOf, worldOf } from '../support/golden.ts';
import { recased } from '../support/letter-case.ts';
import { findings } from '../support/validators.ts';
import { families } from './family.ts';
import { offlineScenarios } from './offline.ts';

/** Clusters that a scenario is about: routes name them, and they are not there. */
const removed: Readonly<Record<string, readonly string[]>> = {
  // An EnvoyFilter removes it.
  'ef-cluster': ['outbound|8080||flaky.foo.svc.cluster.local'],
  // A Sidecar's socket, which has no port, for a Service with several.
  'sidecar-capture-none': ['outbound|0||multi.foo.svc.cluster.local'],
};

const faults = ({ messages, expected }: GoldenOutput, name: string): readonly string[] =>
  findings(messages, { ...expected, removed: removed[name] ?? [] });

let hosts = 0;

for (const scenario of offlineScenarios())
  test(`${scenario.name}: nothing an Envoy would refuse, whatever the order of the objects and the letters of hosts`, () => {
    const world = scenario.world();
    const outputs = outputsOf(world, scenario.proxies);
    const capitals = recased(scenario.objects.objects);
    for (const count of capitals.hosts.values()) hosts += count;
    const again = outputsOf(worldOf({ objects: { ...scenario.objects, ...capitals } }, 7), scenario.proxies);
    for (const output of outputs) assert.deepEqual(faults(output, scenario.name), [], output.proxy.name);
    assertSame(again, outputs);
  });

for (const family of families.filter(other => other !== 'ipv4'))
  for (const scenario of offlineScenarios(family))
    test(`${scenario.name}: nothing an Envoy would refuse in a cluster of ${family}`, () => {
      const world = scenario.world();
      for (const output of outputsOf(world, scenario.proxies))
        assert.deepEqual(faults(output, scenario.name), [], output.proxy.name);
    });

after(() => assert.ok(hosts > 1000, `only ${hosts} hosts were written with capitals`));

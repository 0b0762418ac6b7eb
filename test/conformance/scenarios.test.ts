import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { outputsOf, worldOf } from '../support/golden.ts';
import { recased } from '../support/letter-case.ts';
import type { Messages } from '../support/translation.ts';
import { findings } from '../support/validators.ts';
import { families } from './family.ts';
import { offlineScenarios } from './offline.ts';

/**
 * As istiod does, a route may name a cluster of a Service that the proxy does not have (a typo, a port that a Service lacks, a Sidecar that
 * hides it): Envoy answers 503 there. That these are istiod's and no others is the comparison's business.
 */
const dangling = /names the cluster 'outbound\|.*', which does not exist/;

const faults = (messages: Messages): readonly string[] => findings(messages).filter(finding => !dangling.test(finding));

let hosts = 0;

for (const scenario of offlineScenarios())
  test(`${scenario.name}: nothing an Envoy would refuse, whatever the order of the objects and the letters of hosts`, () => {
    const world = scenario.world();
    const outputs = outputsOf(world, scenario.proxies);
    const capitals = recased(scenario.objects.objects);
    for (const count of capitals.hosts.values()) hosts += count;
    const again = outputsOf(worldOf({ objects: { ...scenario.objects, ...capitals } }, 7), scenario.proxies);
    for (const [i, { proxy, messages, bytes }] of outputs.entries()) {
      assert.deepEqual(faults(messages), [], proxy.name);
      assert.deepEqual(again[i]?.bytes, bytes, proxy.name);
    }
  });

for (const family of families.filter(other => other !== 'ipv4'))
  for (const scenario of offlineScenarios(family))
    test(`${scenario.name}: nothing an Envoy would refuse in a cluster of ${family}`, () => {
      for (const { proxy, messages } of outputsOf(scenario.world(), scenario.proxies))
        assert.deepEqual(faults(messages), [], proxy.name);
    });

after(() => assert.ok(hosts > 1000, `only ${hosts} hosts were written with capitals`));

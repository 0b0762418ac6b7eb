import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { outputsOf, worldOf } from '../support/golden.ts';
import { recased } from '../support/letter-case.ts';
import { findings } from '../support/validators.ts';
import { offlineScenarios } from './offline.ts';

/**
 * As istiod does, a route may name a cluster of a Service that the proxy does not have (a typo, a port that a Service lacks, a Sidecar that
 * hides it): Envoy answers 503 there. That these are istiod's and no others is the comparison's business.
 */
const dangling = /names the cluster 'outbound\|.*', which does not exist/;

let hosts = 0;

for (const scenario of offlineScenarios())
  test(`${scenario.name}: nothing an Envoy would refuse, whatever the order of the objects and the letters of hosts`, () => {
    const world = scenario.world();
    const outputs = outputsOf(world, scenario.proxies);
    const capitals = recased(scenario.objects.objects);
    for (const count of capitals.hosts.values()) hosts += count;
    const again = outputsOf(worldOf({ objects: { ...scenario.objects, ...capitals } }, 7), scenario.proxies);
    for (const [i, { proxy, messages, bytes }] of outputs.entries()) {
      const found = findings(messages).filter(finding => !dangling.test(finding));
      assert.deepEqual(found, [], proxy.name);
      assert.deepEqual(again[i]?.bytes, bytes, proxy.name);
    }
  });

after(() => assert.ok(hosts > 1000, `only ${hosts} hosts were written with capitals`));

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outputsOf } from '../support/golden.ts';
import { findings } from '../support/validators.ts';
import { offlineScenarios } from './offline.ts';

/**
 * As istiod does, a route may name a cluster of a Service that the proxy does not have (a typo, a port that a Service lacks, a Sidecar that
 * hides it): Envoy answers 503 there. That these are istiod's and no others is the comparison's business.
 */
const dangling = /names the cluster 'outbound\|.*', which does not exist/;

for (const scenario of offlineScenarios())
  test(`${scenario.name}: nothing an Envoy would refuse, whatever the order of the objects`, () => {
    const world = scenario.world();
    const outputs = outputsOf(world, scenario.proxies);
    const again = outputsOf(scenario.world(7), scenario.proxies);
    for (const [i, { proxy, messages, bytes }] of outputs.entries()) {
      const found = findings(messages).filter(finding => !dangling.test(finding));
      assert.deepEqual(found, [], proxy.name);
      assert.deepEqual(again[i]?.bytes, bytes, proxy.name);
    }
  });

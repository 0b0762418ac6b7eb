import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { ListenerResource } from '../../src/translate/resource.ts';
import { families } from '../conformance/family.ts';
import { offlineScenarios } from '../conformance/offline.ts';
import type { Case } from '../support/case.ts';
import { ENVOY_VERSION, envoyMissing, OLDEST_ENVOY_VERSION } from '../support/envoy.ts';
import { goldenCases } from '../support/golden.ts';
import { type NamedProxy, proxyOf } from '../support/proxies.ts';
import { isolationMissing, Quarantine } from './quarantine.ts';

const cases: readonly Case[] = [...goldenCases(), ...offlineScenarios()];

/** The scenarios where the cluster has other families of addresses than IPv4: for the newest Envoy, since what differs is older than any. */
const otherFamilies: readonly Case[] = families
  .filter(family => family !== 'ipv4')
  .flatMap(family => offlineScenarios(family).map(one => ({ ...one, name: `${one.name} in a cluster of ${family}` })));

/** The proxy as it would be with that Envoy: what the Envoy lacks is left out. */
function withEnvoy({ name, json }: NamedProxy, version: string): NamedProxy {
  const [major_number, minor_number, patch] = version.split('.').map(Number);
  return { name, json: { ...json, user_agent_build_version: { version: { major_number, minor_number, patch } } } };
}

for (const version of [ENVOY_VERSION, OLDEST_ENVOY_VERSION]) {
  const missing = (await isolationMissing()) || (await envoyMissing(version));
  describe(`Envoy ${version} takes everything that proxies are sent`, { skip: missing, timeout: 3_600_000 }, () => {
    let running: Quarantine | undefined;
    let bound = new Map<string, boolean>();
    after(() => running?.stop());

    /** An Envoy for these listeners: the one that runs, or a new one where that would crash. */
    const envoyFor = async (listeners: readonly ListenerResource[]): Promise<Quarantine> => {
      const binds = listeners.map(({ name, message }): [string, boolean] => [
        name,
        message.bind_to_port?.value ?? true,
      ]);
      // Envoy (1.36 to 1.40) does not survive that a listener of one name and address begins to bind its port.
      const crashes = binds.some(([name, binds]) => bound.has(name) && bound.get(name) !== binds);
      bound = new Map(binds);
      if (running && !running.ended && !crashes) return running;
      await running?.stop();
      running = await Quarantine.start(version);
      return running;
    };

    for (const { name, proxies, world } of version === ENVOY_VERSION ? [...cases, ...otherFamilies] : cases)
      test(name, async () => {
        const made = world();
        for (const named of proxies) {
          const { translation, snapshot } = made.of(proxyOf(withEnvoy(named, version)));
          const envoy = await envoyFor(translation.listeners);
          assert.deepEqual(await envoy.judge(snapshot), [], named.name);
        }
      });
  });
}

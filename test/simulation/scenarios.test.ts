import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { offlineScenario } from '../conformance/offline.ts';
import { readYaml } from '../support/folder.ts';
import { proxyOf } from '../support/proxies.ts';
import { messagesOf } from '../support/translation.ts';
import { withIstioBuild } from './istio-build.ts';
import { callOf, dnsOf, inWords, meaningOf } from './meaning.ts';
import { simulate } from './simulate.ts';
import { within } from './within.ts';

/** `calls/NAME.yaml`: what calls in the conformance scenario NAME are meant to come to. */
for (const file of globSync(join(import.meta.dirname, 'calls', '*.yaml')).sort()) {
  const name = basename(file, '.yaml');
  const entries = readYaml(file);
  const meanings = Array.isArray(entries) ? entries.map(meaningOf) : [];
  const scenario = offlineScenario(name);
  const world = scenario.world();
  describe(name, () => {
    for (const meaning of meanings)
      test(meaning.says, () => {
        const named = scenario.proxies.find(p => p.name === meaning.proxy);
        assert.ok(named, `${name}/proxies.yaml has no ${meaning.proxy}`);
        const proxy = proxyOf(meaning.options['build'] === 'istio' ? withIstioBuild(named) : named);
        const messages = messagesOf(world.of(proxy).translation);
        const dns = dnsOf(meaning, named, messages);
        const call = callOf(meaning, named, world, proxy.class.type === 'router', dns);
        const outcome = { ...inWords(simulate(messages, call)), ...(dns && { dns }) };
        assert.deepEqual(within(outcome, meaning.gives), meaning.gives);
      });
  });
}

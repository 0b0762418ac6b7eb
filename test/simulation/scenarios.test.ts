import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { offlineScenario } from '../conformance/offline.ts';
import { scenarioNames } from '../conformance/scenario.ts';
import { readYaml } from '../support/folder.ts';
import { proxyOf } from '../support/proxies.ts';
import { messagesOf } from '../support/translation.ts';
import { withIstioBuild } from './istio-build.ts';
import { callOf, dnsOf, inWords, type Meaning, meaningOf } from './meaning.ts';
import { simulate } from './simulate.ts';
import { within } from './within.ts';

/** Scenarios that mean nothing to a call, and why. */
const silent: Readonly<Record<string, string>> = {
  'pc-proxy-config': 'concurrency, environment variables and image are for the agent and the injection only',
};

/** `calls/NAME.yaml`: what calls in the conformance scenario NAME are meant to come to. */
const files = globSync(join(import.meta.dirname, 'calls', '*.yaml')).sort();

function meaningsOf(file: string): readonly Meaning[] {
  const entries = readYaml(file);
  if (!Array.isArray(entries) || entries.length === 0) throw new Error(`${file} says nothing`);
  return entries.map(meaningOf);
}

/** Words of entries, with the first entry that uses each, and words that any outcome has. */
const used = new Map<string, string>();
// `balanced` has its unit test; the scenario that asks for it does so for a port that is not there.
const known = new Set<string>(['balanced']);

for (const file of files) {
  const name = basename(file, '.yaml');
  const meanings = meaningsOf(file);
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
        for (const word of Object.keys(outcome)) known.add(word);
        for (const word of Object.keys(meaning.gives)) if (!used.has(word)) used.set(word, `${name}: ${meaning.says}`);
        assert.deepEqual(within(outcome, meaning.gives), meaning.gives);
      });
  });
}

test('every scenario says what its calls come to, or why there are none', () => {
  const loud = scenarioNames().filter(name => !(name in silent));
  assert.deepEqual(files.map(file => basename(file, '.yaml')).sort(), loud.toSorted());
});

// `null` for a word that no outcome has would hold whatever happens.
test('every word of an entry is one of outcomes', () =>
  assert.deepEqual(
    [...used].filter(([word]) => !known.has(word)),
    [],
  ));

import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { describe, test } from 'node:test';
import type { World } from '../../src/world.ts';
import { inIpv4 } from '../conformance/family.ts';
import { offlineScenario } from '../conformance/offline.ts';
import { scenarioNames } from '../conformance/scenario.ts';
import { caseFolder } from '../support/case.ts';
import { readYaml } from '../support/folder.ts';
import type { JsonFields } from '../support/json.ts';
import { type NamedProxy, proxyOf } from '../support/proxies.ts';
import { messagesOf } from '../support/translation.ts';
import type { Call } from './call.ts';
import { withIstioBuild } from './istio-build.ts';
import { callOf, dnsOf, inWords, type Meaning, meaningOf } from './meaning.ts';
import { simulate } from './simulate.ts';
import { within } from './within.ts';

/** Scenarios that mean nothing to a call, and why. */
const silent: Readonly<Record<string, string>> = {
  'pc-proxy-config': 'concurrency, environment variables and image are for the agent and the injection only',
};

/** What calls in a scenario are meant to come to; undefined where it does not say. */
function meaningsOf(name: string): readonly Meaning[] | undefined {
  const file = caseFolder(name).calls;
  if (file === undefined) return undefined;
  const entries = readYaml(file);
  if (!Array.isArray(entries) || entries.length === 0) throw new Error(`${file} says nothing`);
  return entries.map(meaningOf);
}

/** Words of entries, with the first entry that uses each, and words that any outcome has. */
const used = new Map<string, string>();
// `balanced` has its unit test; the scenario that asks for it does so for a port that is not there.
const known = new Set<string>(['balanced']);

interface Cluster {
  readonly proxies: readonly NamedProxy[];
  readonly world: World;
}

/** The call, and what it comes to in words. */
function outcomeOf({ proxies, world }: Cluster, meaning: Meaning): { call: Call; outcome: JsonFields } {
  const named = proxies.find(p => p.name === meaning.proxy);
  assert.ok(named, `proxies.yaml has no ${meaning.proxy}`);
  const proxy = proxyOf(meaning.options['build'] === 'istio' ? withIstioBuild(named) : named);
  const messages = messagesOf(world.of(proxy).translation);
  const dns = dnsOf(meaning, named, messages);
  const call = callOf(meaning, named, world, proxy.class.type === 'router', dns);
  return { call, outcome: { ...inWords(simulate(messages, call)), ...(dns && { dns }) } };
}

/** Scenarios that say what calls come to. */
const loud: string[] = [];

/** Calls that were made in a cluster of IPv6 as well, and others: nobody there calls an address of IPv4. */
const inIpv6 = { made: 0, left: 0 };

/** What does not depend on the family. Endpoints stand in the order of their addresses, which families do not share. */
function comparable(outcome: JsonFields): JsonFields {
  const found: JsonFields = JSON.parse(inIpv4(JSON.stringify(outcome)));
  return Array.isArray(found['endpoints']) ? { ...found, endpoints: found['endpoints'].toSorted() } : found;
}

for (const name of scenarioNames()) {
  const meanings = meaningsOf(name);
  if (!meanings) continue;
  loud.push(name);
  const scenario = offlineScenario(name);
  const ofIpv6 = offlineScenario(name, 'ipv6');
  const given = { proxies: scenario.proxies, world: scenario.world() };
  const other = { proxies: ofIpv6.proxies, world: ofIpv6.world() };
  describe(name, () => {
    for (const meaning of meanings)
      test(meaning.says, () => {
        const { outcome } = outcomeOf(given, meaning);
        for (const word of Object.keys(outcome)) known.add(word);
        for (const word of Object.keys(meaning.gives)) if (!used.has(word)) used.set(word, `${name}: ${meaning.says}`);
        assert.deepEqual(within(outcome, meaning.gives), meaning.gives);
        const { call, outcome: found } = outcomeOf(other, meaning);
        const isMade = isIPv6(call.address) && !meaning.ofIpv4;
        inIpv6[isMade ? 'made' : 'left']++;
        if (!isMade) return;
        const gives = comparable(meaning.gives);
        assert.deepEqual(within(comparable(found), gives), gives, 'in a cluster of IPv6');
      });
  });
}

test('every scenario says what its calls come to, or why there are none', () => {
  const expected = scenarioNames().filter(name => !(name in silent));
  assert.deepEqual(loud, expected, 'calls.yaml in the folder of the scenario says it');
});

// `null` for a word that no outcome has would hold whatever happens.
test('every word of an entry is one of outcomes', () =>
  assert.deepEqual(
    [...used].filter(([word]) => !known.has(word)),
    [],
  ));

test('nearly every call was made in a cluster of IPv6 too', () =>
  assert.ok(inIpv6.made > 1000 && inIpv6.made > 9 * inIpv6.left, JSON.stringify(inIpv6)));

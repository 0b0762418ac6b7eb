import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ConfigChange } from '../src/config/store.ts';
import { Intake } from '../src/intake.ts';
import { objectKey } from '../src/object-key.ts';
import type { World } from '../src/world.ts';
import { objectOf } from './property/objects.ts';

const many = 3_000;

const rule = (n: number, host: string): ConfigChange => ({
  op: 'upsert',
  object: objectOf('DestinationRule', `r-${n}`, 'load', { spec: { host } }),
});

const slice = (name: string, address: string): ConfigChange => ({
  op: 'upsert',
  object: objectOf('EndpointSlice', name, 'load', {
    addressType: 'IPv4',
    endpoints: [{ addresses: [address] }],
    ports: [{ port: 80 }],
  }),
});

/** An intake with a first world, and every world that it serves after that. */
function started(): {
  readonly intake: Intake;
  readonly worlds: World[];
  take(changes: readonly ConfigChange[]): ReturnType<Intake['take']>;
} {
  const worlds: World[] = [];
  const intake = new Intake({
    sources: ['source'],
    mesh: { domain: 'cluster.local', rootNamespace: 'istio-system', clusterId: 'Kubernetes' },
    signal: new AbortController().signal,
    onWorld: world => worlds.push(world),
  });
  intake.begin();
  worlds.length = 0;
  return { intake, worlds, take: changes => intake.take(changes.map(change => ({ change, source: 'source', at: 0 }))) };
}

const hostsIn = ({ mesh: { contents } }: World): ReadonlySet<string | undefined> =>
  new Set([...contents.DestinationRule.values()].map(({ spec }) => spec.host));

const addressIn = ({ mesh: { contents } }: World, name: string): string | undefined =>
  contents.EndpointSlice.get(objectKey('EndpointSlice', 'load', name))?.endpoints[0]?.addresses[0];

const numbers = Array.from({ length: many }, (_, n) => n);

test('a few changes are in the next world at once', () => {
  const { worlds, take } = started();
  assert.equal(take([rule(1, 'a.com'), slice('s', '10.0.0.1')]), true);
  assert.equal(worlds.length, 1);
  assert.equal(take([rule(1, 'a.com')]), false);
  assert.equal(worlds.length, 1);
});

test('many changes are in one world together, and endpoints are served meanwhile', async () => {
  const { worlds, take } = started();
  await take(numbers.map(n => rule(n, 'old.com')));
  assert.deepEqual(
    worlds.map(world => world.mesh.contents.DestinationRule.size),
    [many],
  );
  worlds.length = 0;

  let ended = false;
  const taken = Promise.resolve(take(numbers.map(n => rule(n, 'new.com')))).then(changed => {
    ended = true;
    assert.equal(changed, true);
  });
  let moved = 0;
  for (; !ended; await turn()) take([slice('s', `10.0.0.${++moved % 250}`)]);
  await taken;
  assert.ok(moved > 3, `${moved} turns`);
  assert.equal(worlds.length, moved + 1);
  const hosts = worlds.map(world => [...hostsIn(world)].join());
  assert.deepEqual([...new Set(hosts)], ['old.com', 'new.com'], 'no world has some of the changes');
  const addresses = worlds.slice(0, moved).map(world => addressIn(world, 's'));
  assert.deepEqual(
    addresses,
    addresses.map((_, i) => `10.0.0.${(i + 1) % 250}`),
  );
  const last = worlds.at(-1);
  assert.equal(last && addressIn(last, 's'), `10.0.0.${moved % 250}`);
});

test('what changes meanwhile is not undone by the older change that comes after it', async () => {
  const { worlds, take } = started();
  const taken = take(numbers.map(n => slice(`s-${n}`, '10.0.0.1')));
  await turn();
  assert.equal(take([slice(`s-${many - 1}`, '10.0.0.2')]), true);
  await taken;
  const last = worlds.at(-1);
  assert.equal(last?.mesh.contents.EndpointSlice.size, many);
  assert.equal(last && addressIn(last, `s-${many - 1}`), '10.0.0.2');
  assert.equal(last && addressIn(last, 's-0'), '10.0.0.1');
});

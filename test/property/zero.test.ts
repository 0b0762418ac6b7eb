import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RawObject } from '../../src/config/raw.ts';
import { defaultMeshConfig, defaultProxyConfig } from '../../src/istio/settings.ts';
import { fromJson } from '../../src/proto/json.ts';
import type { MessageName } from '../../src/proto/message.ts';
import { type FieldSchema, schemaOf } from '../../src/proto/schema.ts';
import type { World } from '../../src/world.ts';
import { pushOrder } from '../../src/xds/resource-types.ts';
import { offlineScenarios } from '../conformance/offline.ts';
import type { Objects } from '../support/folder.ts';
import { goldenCases, outputsOf, worldOf } from '../support/golden.ts';
import type { NamedProxy } from '../support/proxies.ts';
import { messageOf, specs, spelledOut, withDefault, zeroOf } from '../support/spelled-out.ts';
import { proxies, worldWith } from './base-mesh.ts';
import { someObjects } from './objects.ts';

/** The messages that a message can hold, itself among them; not those with a JSON form of their own. */
function messagesWithin(name: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(name) || name.startsWith('google.protobuf.')) return found;
  found.add(name);
  for (const { type } of schemaOf(name).fields) if (type.kind === 'message') messagesWithin(type.name, found);
  return found;
}

const messages = new Set(Object.values(specs).flatMap(name => [...messagesWithin(name)]));
const fieldsWithoutPresence = [...messages].flatMap(name =>
  schemaOf(name)
    .fields.filter(field => zeroOf(field) !== undefined)
    .map((field): readonly [string, FieldSchema] => [name, field]),
);

test('every field without presence: written as zero it is read as if it were absent', () => {
  for (const [name, field] of fieldsWithoutPresence)
    assert.deepEqual(
      fromJson(name as MessageName, { [field.name]: zeroOf(field) }),
      { value: {}, problems: [] },
      `${name}.${field.name}`,
    );
  assert.ok(
    messages.size > 150 && fieldsWithoutPresence.length > 500,
    `${messages.size}, ${fieldsWithoutPresence.length}`,
  );
});

test('the fields in which zero is not absence are those of the settings that have a default', () => {
  const set = (name: string, value: object) =>
    schemaOf(name)
      .fields.filter(field => zeroOf(field) !== undefined && field.name in value)
      .map(field => `${name}.${field.name}`);
  assert.deepEqual(
    [...withDefault].sort(),
    [
      ...set('istio.mesh.v1alpha1.MeshConfig', defaultMeshConfig),
      ...set('istio.mesh.v1alpha1.ProxyConfig', defaultProxyConfig),
      // Merged with the default by name: an empty list adds none.
    ]
      .filter(field => !field.endsWith('.extensionProviders'))
      .sort(),
  );
});

/** What the proxies are sent, and what is wrong with the objects. */
const sent = (world: World, proxies: readonly NamedProxy[]) => ({
  outputs: outputsOf(world, proxies).map(({ proxy, bytes, problems }) => ({ proxy: proxy.name, bytes, problems })),
  problems: world.problems,
});

const told = new Set<string>();
let compared = 0;

const spelled = ({ objects, problems }: Objects): Objects => ({
  objects: objects.map(object => spelledOut(object, field => told.add(field))),
  problems,
});

for (const { name, objects, proxies } of [...goldenCases(), ...offlineScenarios()])
  test(`${name}: the same bytes where every absent field is written as zero`, () => {
    const [as, out] = [sent(worldOf({ objects }), proxies), sent(worldOf({ objects: spelled(objects) }), proxies)];
    assert.deepEqual(out, as);
    for (const { bytes } of as.outputs) compared += Object.values(bytes).flat().length;
  });

const runs = Number(process.env['FUZZ_RUNS'] ?? 400);
const seed = Number(process.env['FUZZ_SEED'] ?? 1);

test('whatever some objects say: the same bytes where every absent field is written as zero', () => {
  const bytesOf = (objects: readonly RawObject[]) => {
    const world = worldWith(objects);
    const sets = Object.values(proxies).map(proxy =>
      pushOrder.map(type => world.of(proxy).snapshot[type].list.map(r => [r.name, r.version])),
    );
    return { sets, problems: world.problems };
  };
  fc.assert(
    fc.property(someObjects, objects => {
      const out = objects.map(object => spelledOut(object, field => told.add(field)));
      assert.deepEqual(bytesOf(out), bytesOf(objects));
    }),
    { numRuns: Math.ceil(runs / 4), seed },
  );
});

test('that compared something: many resources, and most fields of every kind', () => {
  const ofIstio = fieldsWithoutPresence.filter(([name, { name: field }]) => told.has(`${name}.${field}`));
  assert.ok(compared > 10_000, `${compared} resources`);
  assert.ok(ofIstio.length > 350, `${ofIstio.length} of ${fieldsWithoutPresence.length} fields of Istio's kinds`);
  assert.ok(told.size > 600, `${told.size} fields`);
});

test('a message is spelled out down to its leaves', () => {
  const out = messageOf('istio.networking.v1alpha3.Gateway', { servers: [{ tls: {}, port: { number: 443 } }] });
  assert.deepEqual(out, {
    selector: {},
    servers: [
      {
        bind: '',
        defaultEndpoint: '',
        hosts: [],
        name: '',
        port: { name: '', number: 443, protocol: '', targetPort: 0 },
        tls: messageOf('istio.networking.v1alpha3.ServerTLSSettings', {}),
      },
    ],
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Kind, kindNames, kinds } from '../../src/config/kinds.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { fromJson } from '../../src/proto/json.ts';
import { schemaOf } from '../../src/proto/schema.ts';

/** Names that the schemas have, so that nonsense gets past the first question. */
const names = [
  'VirtualService HTTPRoute HTTPMatchRequest Destination DestinationRule TrafficPolicy LoadBalancerSettings Gateway Server',
  'ServerTLSSettings ServiceEntry WorkloadEntry Sidecar IstioEgressListener IstioIngressListener EnvoyFilter Subset',
]
  .join(' ')
  .split(' ')
  .flatMap(name => [...schemaOf(`istio.networking.v1alpha3.${name}`).byKey.keys()]);
const words = [
  '*',
  '',
  'a',
  'a.b',
  '1s',
  '0s',
  'STRICT',
  'HTTP',
  'TCP',
  '10.0.0.0/8',
  '(',
  'x/y',
  'unix:///a',
  '__proto__',
];

const key = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...names) }, fc.string());
const leaf = fc.oneof(
  fc.constantFrom<unknown>(...words, null, true, 0, -1, 80, 1e308, Number.NaN),
  fc.string(),
  fc.double(),
);
const { nonsense } = fc.letrec<{ nonsense: unknown }>(tie => ({
  nonsense: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    leaf,
    fc.array(tie('nonsense'), { maxLength: 4 }),
    fc.dictionary(key, tie('nonsense'), { maxKeys: 8 }),
  ),
}));

const raw = (kind: Kind, spec: unknown, metadata: unknown = { name: 'it', namespace: 'default' }): RawObject => {
  const { group, versions } = kinds[kind];
  const fields = typeof spec === 'object' && !Array.isArray(spec) ? spec : {};
  return {
    ...fields,
    spec,
    status: spec,
    data: spec,
    apiVersion: group ? `${group}/${versions[0]}` : versions[0],
    kind,
    metadata,
  } as RawObject;
};

for (const kind of kindNames) {
  test(`${kind}: nothing that a user writes throws, and every error has the object's key`, () => {
    fc.assert(
      fc.property(nonsense, spec => {
        const { problems, ok } = kinds[kind].parse(raw(kind, spec));
        assert.ok(ok || problems.some(({ severity }) => severity === 'error'));
        for (const { object } of problems) assert.match(object, new RegExp(`^${kind}/`));
      }),
      { numRuns: 300 },
    );
  });
}

test('metadata can be anything', () => {
  fc.assert(
    fc.property(fc.constantFrom(...kindNames), nonsense, (kind, metadata) => {
      const { ok, problems } = kinds[kind].parse(raw(kind, {}, metadata));
      assert.ok(ok || problems.some(({ severity }) => severity === 'error'));
    }),
  );
});

test('what is parsed is a message of its type: it can be read again without a problem', () => {
  const near = fc.record({
    hosts: fc.array(fc.constantFrom('a', 'a.b', '*', 'a b')),
    http: fc.array(
      fc.record({
        match: fc.array(fc.record({ uri: fc.record({ prefix: fc.string() }), port: fc.integer() })),
        route: fc.array(
          fc.record({ destination: fc.record({ host: fc.constantFrom('a', '*', '') }), weight: fc.integer() }),
        ),
        timeout: fc.constantFrom('1s', '0s', 'x', 1),
      }),
    ),
  });
  fc.assert(
    fc.property(near, spec => {
      const result = kinds.VirtualService.parse(raw('VirtualService', spec));
      if (!result.ok) return;
      const { timeout: _, ...first } = result.value.spec.http?.[0] ?? {};
      assert.deepEqual(fromJson('istio.networking.v1alpha3.HTTPRoute', first).problems, []);
    }),
  );
});

test('the store takes anything, and the same again changes nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...kindNames), fc.constantFrom('a', 'b'), nonsense)), steps => {
      const store = new ConfigStore();
      for (const [kind, name, spec] of steps) {
        const object = raw(kind, spec, { name, namespace: 'default' });
        store.apply({ op: 'upsert', object });
        const contents = store.contents();
        assert.equal(store.apply({ op: 'upsert', object: structuredClone(object) }), false);
        assert.equal(store.contents(), contents);
      }
    }),
    { numRuns: 50 },
  );
});

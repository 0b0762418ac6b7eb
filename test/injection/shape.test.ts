import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { injectPod } from '../../src/injection/inject.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { type Sidecar, sidecars } from '../../src/injection/templates/templates.ts';
import { anyPod } from './any-pod.ts';
import { settingsOf } from './case.ts';

const settings = (Object.keys(sidecars) as Sidecar[]).map(sidecar => settingsOf({ values: '{}', mesh: '', sidecar }));

/** Every place of a value: the fields and indexes that lead to it. */
function* placesIn(value: unknown, path: readonly (string | number)[] = []): Generator<readonly (string | number)[]> {
  if (path.length) yield path;
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* placesIn(item, [...path, i]);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) yield* placesIn(item, [...path, key]);
}

function withValue(value: unknown, [step, ...rest]: readonly (string | number)[], put: unknown): unknown {
  if (step === undefined) return put;
  if (Array.isArray(value)) return value.map((item, i) => (i === step ? withValue(item, rest, put) : item));
  const object = value as { readonly [field: string]: unknown };
  return { ...object, [step]: withValue(object[step], rest, put) };
}

const nonsense = [null, true, 7, -1, 'text', '', [], [null], [[]], {}, { a: null }, { name: null }, [{ name: 'x' }]];

test('whatever stands in the place of anything in a pod, it is injected, left alone or refused with a field', () => {
  let refused = 0;
  fc.assert(
    fc.property(anyPod, fc.nat(), fc.constantFrom(...nonsense), (pod, seed, put) => {
      const places = [...placesIn(pod)];
      const spoiled = withValue(pod, places[seed % places.length] ?? [], put) as Pod;
      for (const setting of settings) {
        const injection = injectPod(spoiled, setting, { namespace: 'default', native: seed % 2 === 0 });
        if (injection.kind !== 'refuse') continue;
        refused++;
        for (const { path, message } of injection.problems) assert.ok(path && message);
      }
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 250) },
  );
  assert.ok(refused > 30, `${refused} were refused`);
});

const mistakes: readonly (readonly [Pod | object, string, RegExp])[] = [
  [
    { metadata: { annotations: { 'sidecar.istio.io/inject': false } } },
    'metadata.annotations["sidecar.istio.io/inject"]',
    /not false: put it in quotes/,
  ],
  [{ metadata: { labels: { version: 1 } } }, 'metadata.labels.version', /not 1: put it in quotes/],
  [{ spec: { containers: [{ image: 'x' }] } }, 'spec.containers[0].name', /needed/],
  [
    { spec: { containers: [{ name: 'x', env: [{ name: 'A', value: 1 }] }] } },
    'spec.containers[0].env[0].value',
    /quotes/,
  ],
  [
    { spec: { containers: [{ name: 'x', readinessProbe: { httpGet: { path: '/' } } }] } },
    'spec.containers[0].readinessProbe.httpGet.port',
    /needed/,
  ],
  [{ spec: {} }, 'spec.containers', /needed/],
  [
    { spec: { containers: [{ name: 'x', ports: [{ containerPort: '80' }] }] } },
    'spec.containers[0].ports[0].containerPort',
    /number/,
  ],
];

test('a mistake that an API server would find is said in one sentence', () => {
  for (const [given, path, message] of mistakes) {
    const pod = { spec: { containers: [{ name: 'app', image: 'app' }] }, ...given } as Pod;
    const [setting = assert.fail()] = settings;
    const injection = injectPod(pod, setting, { namespace: 'default', native: false });
    const [problem, ...others] = injection.kind === 'refuse' ? injection.problems : [];
    assert.deepEqual([problem?.path, others], [path, []]);
    assert.match(problem?.message ?? '', message);
  }
});

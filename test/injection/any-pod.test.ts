import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Injection, injectPod } from '../../src/injection/inject.ts';
import { containersOf, initContainersOf, type Pod } from '../../src/injection/pod.ts';
import { uninject } from '../../src/injection/uninject.ts';
import { anyPod } from './any-pod.ts';
import { settingsOf } from './case.ts';
import { patched } from './patched.ts';
import { podFaults } from './pod-faults.ts';

const settings = settingsOf({ values: '{"global":{"imagePullSecrets":["registry"],"network":""}}', mesh: '' });
const runs = Number(process.env['FUZZ_RUNS'] ?? 150);

const injected = (pod: Pod, native: boolean): Extract<Injection, { kind: 'inject' }> => {
  const injection = injectPod(pod, settings, { namespace: 'default', native });
  assert.ok(injection.kind === 'inject', JSON.stringify(injection));
  return injection;
};

const frozen = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(frozen);
  }
  return value;
};

/** The same with the keys of every map the other way round: an API server gives them back in an order of its own. */
const turned = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(turned);
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, turned(inner)]),
  );
};

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('any pod becomes one that an API server takes, once and for all, and what was injected comes out again', () => {
  fc.assert(
    fc.property(anyPod, fc.boolean(), (given, native) => {
      const { pod, patch } = injected(frozen(given), native);
      const result = plain(pod) as Pod;
      assert.deepEqual(podFaults(result), []);
      assert.deepEqual(patched(given, patch), result);
      const again = injected(frozen(turned(result) as Pod), native);
      assert.deepEqual(plain(again.pod), result);
      assert.deepEqual(again.patch, []);
      assert.deepEqual(comparable(uninject(result)), comparable(plain(given) as Pod));
    }),
    { numRuns: runs },
  );
});

/** What comes out again to the last field, but for ports of probes that had names, which are numbers then, and where the user's own proxy stood. */
function comparable(pod: Pod): unknown {
  const ports = (container: ReturnType<typeof containersOf>[number]) =>
    new Map((container.ports ?? []).map(({ name, containerPort }) => [name, containerPort]));
  const numbered = (container: ReturnType<typeof containersOf>[number]) =>
    JSON.parse(JSON.stringify(container), (key, value) =>
      key === 'port' && typeof value === 'string' ? (ports(container).get(value) ?? value) : value,
    );
  const byName = (list: readonly { readonly name: string }[]) => [...list].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: byName(containersOf(pod).map(numbered)),
      initContainers: byName(initContainersOf(pod).map(numbered)),
    },
  };
}

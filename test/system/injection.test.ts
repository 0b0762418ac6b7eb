import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { mapPods } from '../../src/cli/manifests.ts';
import type { RawObject } from '../../src/config/raw.ts';
import { injectPod } from '../../src/injection/inject.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { podIn } from '../../src/injection/pod-in-object.ts';
import { type Sidecar, sidecars } from '../../src/injection/templates/templates.ts';
import { uninject } from '../../src/injection/uninject.ts';
import type { ApiClient } from '../../src/kubernetes/api-client.ts';
import { ApiError } from '../../src/kubernetes/api-error.ts';
import { anyPod } from '../injection/any-pod.ts';
import { annotations } from '../injection/asked.ts';
import { cases, nameIn, objectsIn, settingsOf } from '../injection/case.ts';
import { oddPods } from '../injection/odd-pods.ts';
import { answersOf, haveIstioctl } from '../injection/oracle.ts';
import { resourceOf } from '../kubernetes/objects.ts';
import { until } from '../support/until.ts';
import { istio } from './agent.ts';
import { Lab } from './lab.ts';

const folder = join(istio(), 'samples');

/** Istio's samples that have a workload, by their paths. */
const samples = new Map(
  globSync('**/*.{yaml,yml}', { cwd: folder })
    .map(file => [file, readFileSync(join(folder, file), 'utf8')] as const)
    .filter(([, text]) => /^ *containers:/m.test(text) && !text.includes('{{')),
);

// What npm test takes from kept answers, asked of the real ones.

describe('istioctl kube-inject', { skip: haveIstioctl ? false : 'no istioctl' }, () => {
  for (const of of cases)
    test(of.name, () => {
      const kept = readFileSync(join(of.folder, 'istioctl.jsonl'), 'utf8');
      assert.equal(
        answersOf(of)
          .map(line => `${JSON.stringify(line)}\n`)
          .join(''),
        kept,
        'UPDATE_GOLDEN=1 writes them anew',
      );
    });
});

test('the table of annotations has every one that Istio has for pods', () => {
  const source = readFileSync(join(istio('istio.io/api'), 'annotation/annotations.gen.go'), 'utf8');
  const known = [...source.matchAll(/Name: +"([^"]+)"[\s\S]*?Resources: \[\]ResourceTypes\{([^}]*)\}/g)];
  const ofPods = known.filter(([, , resources = '']) => /\b(Pod|Any),/.test(resources)).map(([, name]) => name);
  assert.deepEqual(ofPods.sort(), Object.keys(annotations).sort());
});

describe('a real API server', () => {
  let lab: Lab;
  let client: ApiClient;
  before(async () => {
    lab = await Lab.up();
    client = await lab.client();
    for (const name of ['istio-ingress', 'shop', 'ops'])
      await client.json('/api/v1/namespaces', { method: 'POST', body: { metadata: { name } } });
    const priorities = '/apis/scheduling.k8s.io/v1/priorityclasses';
    await client.json(priorities, { method: 'POST', body: { metadata: { name: 'high' }, value: 1 } });
    const accounts = (namespace: string) => `/api/v1/namespaces/${namespace}/serviceaccounts`;
    for (const namespace of ['default', 'shop', 'istio-system'])
      for (const name of ['web', 'gateway', 'tuned'])
        await client.json(accounts(namespace), { method: 'POST', body: { metadata: { name } } });
    // Those that every namespace is given; no pod is taken before.
    for (const namespace of ['default', 'shop', 'istio-system', 'istio-ingress', 'ops'])
      await until(`the account of ${namespace}`, async () => {
        const { items } = (await client.json(accounts(namespace))) as {
          readonly items: readonly { readonly metadata: { readonly name: string } }[];
        };
        return items.some(({ metadata }) => metadata.name === 'default');
      });
  });
  after(() => lab?.down());

  /** Why the API server refuses a pod; empty where it takes it. Nothing is kept. */
  const refusal = async (pod: Pod, namespace: string): Promise<string> => {
    const { name: _, generateName: __, namespace: ___, ownerReferences: ____, ...meta } = pod.metadata ?? {};
    const body = { ...pod, apiVersion: 'v1', kind: 'Pod', metadata: { ...meta, generateName: 'p-' } };
    const query = { dryRun: 'All', fieldValidation: 'Strict' };
    try {
      await client.json(`/api/v1/namespaces/${namespace}/pods`, { method: 'POST', query, body });
      return '';
    } catch (error) {
      if (error instanceof ApiError && [400, 422].includes(error.code)) return error.message;
      throw error;
    }
  };

  /** Injects a pod that the API server takes, and shows it the result. */
  const judge = async (
    pod: Pod,
    namespace: string,
    sidecar: Sidecar,
    native: boolean,
    values: string,
  ): Promise<boolean> => {
    if (await refusal(pod, namespace)) return false;
    const injection = injectPod(pod, settingsOf({ values, mesh: '', sidecar }), { namespace, native });
    assert.ok(injection.kind !== 'refuse', JSON.stringify(injection));
    if (injection.kind === 'skip') return false;
    assert.equal(await refusal(injection.pod, namespace), '', JSON.stringify(pod));
    return true;
  };

  for (const sidecar of Object.keys(sidecars) as Sidecar[]) {
    test(`takes every pod of the cases with ${sidecar}`, async () => {
      let taken = 0;
      const left: string[] = [];
      for (const of of cases) {
        const [texts = '{}'] = readFileSync(join(of.folder, 'istioctl.jsonl'), 'utf8').split('\n', 1);
        for (const object of objectsIn(readFileSync(of.input, 'utf8'))) {
          const found = podIn(object);
          if (!found) continue;
          // Names of images and the like that only their registry could refuse.
          const whole = { ...found.pod, spec: { ...found.pod.spec, restartPolicy: 'Always' } } as Pod;
          const judged = await judge(whole, found.namespace || 'default', sidecar, of.native, JSON.parse(texts).values);
          if (judged) taken++;
          else left.push(`${of.name}: ${nameIn(object)}`);
        }
      }
      assert.ok(taken > 140, `${taken} pods`);
      // Those that are not to be injected, and those with a volume of a StatefulSet.
      assert.equal(left.length, 10, left.join(', '));
    });

    test(`takes every workload of Istio's samples with ${sidecar}, native or not, and they come back as they were`, async () => {
      const settings = settingsOf({ values: '{}', mesh: '', sidecar });
      let taken = 0;
      const refused = new Set<string>();
      const changed = new Set<string>();
      for (const [file, text] of samples)
        for (const native of [true, false]) {
          const injected = mapPods(text, file, ({ pod, namespace, workload }) => {
            const injection = injectPod(pod, settings, { namespace, workload, native });
            if (injection.kind === 'refuse') refused.add(file);
            return injection.kind === 'inject' ? injection.pod : undefined;
          });
          if (injected === text) continue;
          if (mapPods(injected, file, ({ pod, workload }) => uninject(pod, workload?.name)) !== text) changed.add(file);
          await Promise.all(
            objectsIn(injected).map(async object => {
              if (!podIn(object)) return;
              const { apiVersion, kind, metadata } = object as unknown as RawObject;
              const there = { ...object, metadata: { ...metadata, namespace: 'default' } };
              const path = resourceOf({ apiVersion, kind, metadata: there.metadata });
              const query = { dryRun: 'All', fieldValidation: 'Strict' };
              const fault = await client.json(path, { method: 'POST', query, body: there }).then(
                () => '',
                (error: Error) => error.message,
              );
              // Its volume is missing, also without a sidecar.
              if (file.startsWith('mtls-echo/')) return assert.match(fault, /Not found: "ca-certs"$/);
              assert.equal(fault, '', file);
              taken++;
            }),
          );
        }
      assert.ok(taken > 100, `${taken} workloads`);
      // They ask for templates that are not built in.
      const own = /^(grpc-echo|security.spire)/;
      assert.deepEqual(
        [...refused].filter(file => !own.test(file)),
        [],
      );
      // A probe's port comes back by its number.
      const numbers = /^(mtls-echo|addons)/;
      assert.deepEqual(
        [...changed].filter(file => !numbers.test(file)),
        [],
      );
    });

    test(`takes odd pods with ${sidecar}`, async () => {
      const settings = settingsOf({ values: '{}', mesh: '', sidecar });
      let taken = 0;
      for (const { name, pod } of oddPods) {
        const injection = injectPod(pod, settings, { namespace: 'default', native: false });
        assert.ok(injection.kind !== 'skip', name);
        if (injection.kind === 'refuse') continue;
        assert.equal(await refusal(injection.pod, 'default'), '', name);
        taken++;
      }
      assert.ok(taken > 40, `${taken} pods`);
    });

    test(`takes any pod with ${sidecar}`, async () => {
      let taken = 0;
      await fc.assert(
        fc.asyncProperty(anyPod, fc.boolean(), async (pod, native) => {
          if (await judge(pod, 'default', sidecar, native, '{}')) taken++;
        }),
        { numRuns: Number(process.env['FUZZ_RUNS'] ?? 40) },
      );
      assert.ok(taken > 10, `${taken} pods`);
    });
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigStore } from '../src/config/store.ts';
import type { PageRequest } from '../src/http/page.ts';
import type { Pod } from '../src/injection/pod.ts';
import type { ReviewOutcome } from '../src/injection/review.ts';
import { Injector } from '../src/injector.ts';
import type { MeshModel } from '../src/model/mesh.ts';
import { World } from '../src/world.ts';
import { patched } from './injection/patched.ts';
import { memoryLog } from './kubernetes/log.ts';

const options = { domain: 'cluster.local', rootNamespace: 'istio-system', clusterId: 'Kubernetes' };

function meshOf(kubelets: Readonly<Record<string, string>>): MeshModel {
  const store = new ConfigStore();
  for (const [name, kubeletVersion] of Object.entries(kubelets))
    store.apply({
      op: 'upsert',
      object: { apiVersion: 'v1', kind: 'Node', metadata: { name }, status: { nodeInfo: { kubeletVersion } } },
    });
  return new World(store.contents(), options).mesh;
}

function injector(mesh: MeshModel | undefined, image?: string) {
  const outcomes: ReviewOutcome['kind'][] = [];
  const made = new Injector({
    revision: 'default',
    rootNamespace: 'istio-system',
    mesh: () => mesh,
    image: () => image,
    log: memoryLog().log,
    onReview: ({ kind }) => outcomes.push(kind),
  });
  const ask = async (pod: Pod): Promise<{ allowed: boolean; pod: Pod }> => {
    const request = { uid: 'u', operation: 'CREATE', namespace: 'default', object: pod };
    const body = Buffer.from(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }));
    const peer = { address: '', port: 'webhook', certificates: [], header: () => ['application/json'] };
    const page = made.pages['/inject']?.page ?? assert.fail();
    const asked: PageRequest = {
      path: '/inject',
      method: 'POST',
      query: new URLSearchParams(),
      body,
      peer,
      debug: { kind: 'none' },
    };
    const answer = JSON.parse(String((await page(asked)).body)) as { response: { allowed: boolean; patch?: string } };
    const { allowed, patch } = answer.response;
    return { allowed, pod: patched(pod, JSON.parse(Buffer.from(patch ?? 'W10=', 'base64').toString())) as Pod };
  };
  return { made, outcomes, ask };
}

const pod = (nodeName?: string): Pod => ({
  metadata: { name: 'a' },
  spec: { ...(nodeName && { nodeName }), containers: [{ name: 'a', image: 'a' }] },
});
const isNative = ({ spec }: Pod): boolean => (spec?.initContainers ?? []).some(({ name }) => name === 'istio-proxy');

test('native sidecars: where every kubelet runs them, or that of the pod, unless the settings say', async () => {
  const [old, young] = ['v1.32.9', 'v1.33.0-gke.1'];
  for (const [kubelets, told, node, native] of [
    [{}, undefined, undefined, false],
    [{ a: young }, undefined, undefined, true],
    [{ a: young, b: old }, undefined, undefined, false],
    [{ a: young, b: old }, undefined, 'a', true],
    [{ a: young, b: old }, undefined, 'b', false],
    [{ a: young, b: old }, undefined, 'gone', false],
    [{ a: young, b: '' }, undefined, undefined, false],
    [{ a: young, b: old }, 'auto', 'a', true],
    [{ a: young }, 'false', undefined, false],
    [{ a: young }, false, 'a', false],
    [{ a: old }, true, undefined, true],
    [{}, 'true', undefined, true],
  ] as const) {
    const { made, ask } = injector(meshOf(kubelets));
    const env = told === undefined ? {} : { ENABLE_NATIVE_SIDECARS: told };
    made.heard({ values: JSON.stringify({ pilot: { env } }) });
    const what = JSON.stringify([kubelets, told, node]);
    assert.equal(isNative((await ask(pod(node))).pod), native, what);
  }
});

test('until the mesh and the settings are known pods are refused', async () => {
  const none = injector(undefined);
  none.made.heard(undefined);
  assert.equal((await none.ask(pod())).allowed, false);
  const { made, ask, outcomes } = injector(meshOf({}));
  assert.equal((await ask(pod())).allowed, false);
  assert.equal(made.settings, undefined);
  made.heard(undefined);
  assert.equal((await ask(pod())).allowed, true);
  assert.deepEqual(outcomes, ['failed', 'injected']);
  assert.equal(made.problems.length, 0);
});

test('the init container has the image of the control plane, unless the settings name another', async () => {
  const init = ({ spec }: Pod) => spec?.initContainers?.find(({ name }) => name === 'istio-init')?.image;
  const { made, ask } = injector(meshOf({}), 'registry/pilotlight:1');
  made.heard({});
  assert.equal(init((await ask(pod())).pod), 'registry/pilotlight:1');
  made.heard({ values: '{"pilotlight":{"image":"mine"}}' });
  assert.equal(init((await ask(pod())).pod), 'mine');
});

test('a key that is not valid is what it was when it was valid; before that, what of it can be read', async () => {
  const { made } = injector(meshOf({}));
  made.heard({ config: 'policy: x', values: '{' });
  assert.equal(made.settings?.policy, 'disabled');
  assert.deepEqual(
    made.problems.map(({ message }) => /is in force|are in force/.test(message) && !/last valid/.test(message)),
    [true, true],
  );
  made.heard({ config: 'policy: disabled', values: '{"global":{"meshID":"one"}}' });
  assert.equal(made.problems.length, 0);
  const all: readonly Readonly<Record<string, string>>[] = [
    { config: 'policy: [', values: '{"global":7}' },
    { config: 'neverInjectSelector: [7]', values: '[]' },
    { config: 'templates: {a: "{{ x }}"}', values: '{"global":{"meshID":[]}}' },
  ];
  for (const broken of all) {
    made.heard(broken);
    assert.equal(made.settings?.policy, 'disabled', broken['config']);
    assert.equal(made.settings?.values.global.meshID, 'one', broken['values']);
    const told = made.problems.map(({ message }) => /last valid data\.(config|values) is in force$/.exec(message)?.[1]);
    assert.deepEqual(told, ['config', 'values'], JSON.stringify(made.problems));
  }
  made.heard(undefined);
  assert.equal(made.settings?.values.global.meshID, 'one');
  const [gone] = made.problems;
  assert.match(gone?.message ?? '', /it is gone/);
  const settings = () => [made.settings?.policy, made.settings?.values.global.meshID];
  made.heard({});
  assert.deepEqual(settings(), ['disabled', 'one']);
  assert.deepEqual(
    made.problems.map(({ path, message }) => `${path}: ${message}`),
    ['config', 'values'].map(key => `data.${key}: it is gone; the last valid data.${key} is in force`),
  );
  made.heard({ values: '{}' });
  assert.deepEqual(settings(), ['disabled', '']);
  made.heard({ config: '', values: '{}' });
  assert.deepEqual([settings(), made.problems], [['enabled', ''], []]);
});

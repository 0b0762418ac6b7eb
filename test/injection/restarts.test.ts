import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { kinds } from '../../src/config/kinds.ts';
import { injectPod } from '../../src/injection/inject.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { type Restart, restarts, restartsAmong } from '../../src/injection/restarts.ts';
import type { InjectionSettings } from '../../src/injection/settings.ts';
import { type Webhook, webhooksOf } from '../../src/injection/webhooks.ts';
import type { KubeNamespace, KubePod } from '../../src/istio/kubernetes.ts';
import { project } from '../../src/sources/kubernetes/projection.ts';
import type { JsonObject } from '../../src/unknown.ts';
import { settingsOf } from './case.ts';

const settings = settingsOf({ values: '{}', mesh: '' });
const withConfig = (over: Partial<InjectionSettings>): InjectionSettings => ({ ...settings, ...over });

const namespaces: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  shop: { 'istio-injection': 'enabled' },
  canary: { 'istio.io/rev': 'canary' },
  plain: {},
  'kube-system': { 'istio-injection': 'enabled' },
};

/** What of a pod differs from a bare one of the namespace shop. */
interface Shape {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner?: readonly [kind: string, name: string];
  readonly spec?: JsonObject;
  readonly phase?: string;
  /** Since when it is being deleted. */
  readonly going?: string;
  /** Injected by these settings. */
  readonly by?: InjectionSettings;
}

/** The pod as the store has it: by way of the API server's words, and what is kept of them. */
function stored({
  namespace = 'shop',
  labels = {},
  annotations = {},
  owner,
  spec = {},
  phase = 'Running',
  going,
  by,
}: Shape): KubePod {
  const made: Pod = {
    metadata: {
      name: 'web-1',
      namespace,
      labels,
      annotations,
      ...(owner && {
        generateName: `${owner[1]}-`,
        ownerReferences: [{ apiVersion: 'apps/v1', kind: owner[0], name: owner[1], controller: true }],
      }),
    },
    spec: { containers: [{ name: 'app', image: 'app' }], ...spec },
  };
  const injection = by && injectPod(made, by, { namespace, native: false });
  if (injection && injection.kind !== 'inject') assert.fail(JSON.stringify(injection));
  const pod = injection?.pod ?? made;
  const metadata = { ...pod.metadata, ...(going && { deletionTimestamp: going }) };
  const raw = project({ ...pod, metadata, status: { phase } }, 'Pod', 'v1');
  const parsed = kinds.Pod.parse(raw);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.value;
}

const of = (shape: Shape, now = settings): Restart | undefined => {
  const labels = (namespace: string) => namespaces[namespace] ?? {};
  const [found, ...others] = restarts([stored(shape)], labels, now, webhooksOf(now.revision));
  assert.equal(others.length, 0);
  return found;
};

const newer = withConfig({ values: { ...settings.values, pilotlight: { image: 'p', envoyImage: 'envoy:next' } } });
const istioProxy = withConfig({ aliases: { sidecar: ['istio-proxy'], gateway: ['istio-proxy-gateway'] } });
const canary = withConfig({ revision: 'canary' });
const disabled = withConfig({ policy: 'disabled' });
const job = (phase: string): Shape => ({ owner: ['Job', 'report-12345678'], phase });
const asks = { 'sidecar.istio.io/inject': 'true' };
const gateway = {
  namespace: 'plain',
  labels: asks,
  annotations: { 'inject.istio.io/templates': 'gateway' },
  spec: { containers: [{ name: 'istio-proxy', image: 'auto' }] },
};

const cases: readonly [says: string, shape: Shape, reason: Restart['reason'] | undefined, now?: InjectionSettings][] = [
  ['a pod of a labelled namespace', {}, 'missing'],
  ['one that waits to be started', { phase: 'Pending' }, 'missing'],
  ['of a namespace that is not labelled', { namespace: 'plain' }, undefined],
  ['which asks for itself', { namespace: 'plain', labels: asks }, 'missing'],
  ['by an annotation alone, which no webhook is asked about', { namespace: 'plain', annotations: asks }, undefined],
  ['which does not want to', { labels: { 'sidecar.istio.io/inject': 'false' } }, undefined],
  ['by an annotation', { annotations: { 'sidecar.istio.io/inject': 'false' } }, undefined],
  ["of Kubernetes' own namespace", { namespace: 'kube-system' }, undefined],
  ["in its node's network", { spec: { hostNetwork: true } }, undefined],
  ['that is over', job('Succeeded'), undefined],
  ['that failed', job('Failed'), undefined],
  ['that is being deleted', { going: '2026-01-01T00:00:00Z' }, undefined],
  ['that a kubelet makes from a file', { owner: ['Node', 'n'] }, undefined],
  ['where the policy is disabled', {}, undefined, disabled],
  ['and it asks all the same', { labels: asks }, 'missing', disabled],
  ['injected', { by: settings }, undefined],
  [
    'injected as a native sidecar',
    { by: settings, annotations: { 'sidecar.istio.io/nativeSidecar': 'true' } },
    undefined,
  ],
  ['by Istio’s image', { by: istioProxy }, undefined, istioProxy],
  ['of another image', { by: settings }, 'image', newer],
  ['of another template', { by: settings }, 'image', istioProxy],
  ['and back', { by: istioProxy }, 'image'],
  [
    'of an image that it asks for',
    { by: settings, annotations: { 'sidecar.istio.io/proxyImage': 'own/envoy:1' } },
    undefined,
    newer,
  ],
  [
    'of one that its container says',
    { by: settings, spec: { containers: [{ name: 'istio-proxy', image: 'own' }] } },
    undefined,
    newer,
  ],
  ['of another revision', { by: canary, labels: asks }, 'revision'],
  ['of a namespace of another revision', { namespace: 'canary' }, undefined],
  ['which is this one', { namespace: 'canary' }, 'missing', canary],
  ['injected before the namespace was another revision’s', { namespace: 'canary', by: settings }, 'revision', canary],
  ['of the default revision, that knows itself without a name', { by: withConfig({ revision: 'default' }) }, undefined],
  ['a gateway that was injected', { ...gateway, by: settings }, undefined],
  ['one that was not', gateway, 'missing'],
  ['one of another image', { ...gateway, by: settings }, 'image', newer],
];

describe('pods that would have another sidecar if they were made now', () => {
  for (const [says, shape, reason, now] of cases)
    test(`${says}: ${reason ?? 'left alone'}`, () => assert.equal(of(shape, now)?.reason, reason));

  test('the command makes the pods of a workload anew, or the pod that none makes', () => {
    const hash = { 'pod-template-hash': 'abc' };
    for (const [owner, labels, command, name] of [
      [['ReplicaSet', 'web-abc'], hash, 'kubectl rollout restart deployment/web -n shop', 'Deployment/web'],
      [['ReplicaSet', 'web'], {}, 'kubectl delete pod web-1 -n shop', 'ReplicaSet/web'],
      [['StatefulSet', 'web'], {}, 'kubectl rollout restart statefulset/web -n shop', 'StatefulSet/web'],
      [['DaemonSet', 'web'], {}, 'kubectl rollout restart daemonset/web -n shop', 'DaemonSet/web'],
      [['Job', 'web'], {}, 'kubectl delete pod web-1 -n shop', 'Job/web'],
      [['Job', 'web-12345678'], {}, 'kubectl create job web-again --from=cronjob/web -n shop', 'CronJob/web'],
      [['Kept', 'web'], {}, 'kubectl delete pod web-1 -n shop', 'Kept/web'],
      [undefined, {}, 'kubectl get pod web-1 -n shop -o yaml | kubectl replace --force -f -', 'Pod/web-1'],
    ] as const) {
      const found = of({ labels, ...(owner && { owner }) });
      assert.deepEqual([found?.command, found?.owner], [command, name]);
    }
  });

  test('the words name what there is and what there would be', () => {
    assert.match(of({ by: settings }, newer)?.message ?? '', /^the sidecar .*envoy.*; now it would be envoy:next$/);
    assert.match(
      of({ by: canary, labels: asks })?.message ?? '',
      /of the revision canary; now it would be of default$/,
    );
  });

  test('a mesh of 10,000 pods is looked at in one go, and again only when pods, namespaces or settings are others', () => {
    const pods = new Map<KubePod['meta']['key'], KubePod>();
    const injected = stored({ by: settings, owner: ['ReplicaSet', 'web-abc'] });
    for (let i = 0; i < 10_000; i++) {
      const meta = { ...injected.meta, name: `web-${i}`, key: `Pod/shop/web-${i}` as KubePod['meta']['key'] };
      pods.set(meta.key, { ...injected, meta, ownerName: `web-${i % 500}` });
    }
    const meta = { ...injected.meta, name: 'shop', namespace: '', labels: namespaces['shop'] ?? {} };
    const known = new Map([['Namespace/shop' as KubeNamespace['meta']['key'], { kind: 'Namespace' as const, meta }]]);
    const none: readonly Webhook[] = [];
    const began = process.cpuUsage();
    const found = restartsAmong(pods, known, newer, none);
    const { user, system } = process.cpuUsage(began);
    console.log(`10,000 pods of 500 workloads: ${Math.round((user + system) / 1000)} ms of CPU`);
    assert.equal(found.length, 10_000);
    assert.equal(restartsAmong(pods, known, newer, none), found);
    assert.equal(restartsAmong(pods, known, settings, none).length, 0);
  });
});

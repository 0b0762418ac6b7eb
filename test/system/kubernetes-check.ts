import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { webhooksOf } from '../../src/injection/webhooks.ts';
import type { KubeObject } from '../../src/kubernetes/object.ts';
import { inThisProcess } from '../cli/program.ts';
import { until } from '../support/until.ts';
import type { Pilotlight } from './pilotlight.ts';
import type { Cluster } from './secured.ts';
import { WEBHOOKS, webhooksAt } from './webhooks.ts';

type Text = Readonly<Record<string, string>>;

/** What of a pod differs from a bare one. */
interface Shape {
  readonly owner?: readonly [kind: string, name: string];
  readonly labels?: Text;
  readonly annotations?: Text;
  readonly spec?: object;
  readonly phase?: string;
  readonly finalizers?: readonly string[];
}

const hash = { 'pod-template-hash': 'abc' };

/** As Istio's own injector leaves a pod. */
const byIstio = (revision: string): Shape => ({
  owner: ['ReplicaSet', `of-${revision}-abc`],
  labels: hash,
  annotations: {
    'sidecar.istio.io/status': `{"initContainers":["istio-init"],"containers":["istio-proxy"],"volumes":["istio-token"],"imagePullSecrets":null,"revision":"${revision}"}`,
  },
  spec: {
    containers: [
      { name: 'app', image: 'app' },
      { name: 'istio-proxy', image: 'docker.io/istio/proxyv2:1.30.0' },
    ],
  },
});

/** Pods of a namespace, and what is told of them once it is labelled: by whom they are made, why, and what mends it. */
const pods: Readonly<
  Record<string, readonly [Shape, told?: readonly [owner: string, reason: string, command: string]]>
> = {
  'web-abc-1': [
    { owner: ['ReplicaSet', 'web-abc'], labels: hash },
    ['Deployment/web', 'missing', 'kubectl rollout restart deployment/web -n late'],
  ],
  'db-0': [
    { owner: ['StatefulSet', 'db'] },
    ['StatefulSet/db', 'missing', 'kubectl rollout restart statefulset/db -n late'],
  ],
  bare: [{}, ['Pod/bare', 'missing', 'kubectl get pod bare -n late -o yaml | kubectl replace --force -f -']],
  running: [{ owner: ['Job', 'report'] }, ['Job/report', 'missing', 'kubectl delete pod running -n late']],
  'of-default': [
    byIstio('default'),
    ['Deployment/of-default', 'image', 'kubectl rollout restart deployment/of-default -n late'],
  ],
  'of-canary': [
    byIstio('canary'),
    ['Deployment/of-canary', 'revision', 'kubectl rollout restart deployment/of-canary -n late'],
  ],
  done: [{ owner: ['Job', 'report'], phase: 'Succeeded' }],
  failed: [{ owner: ['Job', 'report'], phase: 'Failed' }],
  going: [{ owner: ['ReplicaSet', 'web-abc'], labels: hash, finalizers: ['example.com/held'] }],
  'host-network': [{ spec: { hostNetwork: true } }],
  declined: [{ annotations: { 'sidecar.istio.io/inject': 'false' } }],
  static: [{ owner: ['Node', 'n'] }],
};

const pod = (
  name: string,
  namespace: string,
  { owner, labels, annotations, spec, phase, finalizers }: Shape,
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace,
    labels,
    annotations,
    finalizers,
    ...(owner && {
      ownerReferences: [{ apiVersion: 'apps/v1', kind: owner[0], name: owner[1], uid: name, controller: true }],
    }),
  } as KubeObject['metadata'],
  spec: { containers: [{ name: 'app', image: 'app' }], ...spec },
  status: { phase: phase ?? 'Running' },
});

/** What is told of a cluster whose webhooks and control plane are there, and what is said where it cannot be read. */
export function checks(world: () => { readonly cluster: Cluster; readonly pilotlight: Pilotlight }): void {
  const injection = async () =>
    JSON.parse((await world().pilotlight.page('/debug/injection')).body) as readonly Record<string, string>[];
  const check = async (kubeconfig: string, args: readonly string[] = ['check']) =>
    inThisProcess([...args, '--kubeconfig', kubeconfig]);

  test('which pods are to be made anew, and how: check and the control plane say the same', async () => {
    const { cluster } = world();
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'late' } });
    await cluster.account('default', 'late');
    for (const [name, [shape]] of Object.entries(pods)) await cluster.applyWithStatus(pod(name, 'late', shape));
    await cluster.applyWithStatus(pod('kubes', 'kube-system', {}));
    await cluster.client.json('/api/v1/namespaces/late/pods/going', { method: 'DELETE' });
    assert.deepEqual(await injection(), []);
    const labels = { 'istio-injection': 'enabled' };
    await cluster.admin.patch({ apiVersion: 'v1', plural: 'namespaces' }, { name: 'late' }, { metadata: { labels } });

    const expected = Object.entries(pods)
      .flatMap(([name, [, told]]) => (told ? [[name, ...told]] : []))
      .sort();
    const found = await until('all of them', async () => {
      const all = await injection();
      return all.length >= expected.length ? all : undefined;
    });
    assert.deepEqual(
      found.map(({ pod: name, owner, reason, command }) => [name, owner, reason, command]).sort(),
      expected,
    );

    const { code, out } = await check(await cluster.api.kubeconfig({ token: 'admintoken' }));
    assert.equal(code, 1, out);
    const told = [...out.matchAll(/^(\w+) late\/(\S+): (?!it )(?:pods? (\S+): )?.*\n {4}(.*)$/gm)];
    assert.deepEqual(
      told.map(([, kind, name, of, command]) => [of ?? name, `${kind}/${name}`, command]).sort(),
      expected.map(([name, owner, , command]) => [name, owner, command]),
      out,
    );
    assert.doesNotMatch(out, /kubes/);
  });

  test('a tag that is moved here brings its pods along', async () => {
    const { cluster } = world();
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'tagged', labels: { 'istio.io/rev': 'stable' } },
    });
    await cluster.account('default', 'tagged');
    await cluster.applyWithStatus(pod('web', 'tagged', byIstio('canary')));
    const tag = {
      ...webhooksAt('127.0.0.1:1'),
      metadata: { name: 'istio-revision-tag-stable', labels: { 'istio.io/rev': 'canary', 'istio.io/tag': 'stable' } },
      webhooks: webhooksOf('stable').map(selected => ({ ...webhooksAt('127.0.0.1:1').webhooks[0], ...selected })),
    };
    const told = async () =>
      (await injection())
        .filter(({ namespace }) => namespace === 'tagged')
        .map(({ pod: name, reason }) => [name, reason]);
    await cluster.admin.apply(WEBHOOKS, tag);
    assert.deepEqual(await told(), []);
    const admin = await cluster.api.kubeconfig({ token: 'admintoken' });
    const asTag = await check(admin, ['check', '--revision', 'stable']);
    assert.match(asTag.err, /--revision: 'stable' is a tag of the revision canary; expected --revision canary\n/);
    const unknown = await check(admin, ['inject', '-f', '/dev/null', '--revision', 'canry']);
    assert.match(unknown.err, /--revision: 'canry': the cluster has no settings of that control plane/);
    assert.deepEqual([asTag.code, unknown.code], [2, 2]);
    const labels = { 'istio.io/rev': 'default' };
    await cluster.admin.patch(WEBHOOKS, { name: tag.metadata.name }, { metadata: { labels } });
    await until('the pod', async () => (await told()).length > 0);
    assert.deepEqual(await told(), [['web', 'revision']]);
    const { out } = await check(await cluster.api.kubeconfig({ token: 'admintoken' }));
    assert.match(
      out,
      /^Deployment tagged\/of-canary: pod web: a sidecar of the revision canary; now it would be of default$/m,
    );
    await cluster.admin.delete(WEBHOOKS, { name: tag.metadata.name });
    await until('nothing', async () => (await told()).length === 0);
  });

  const callers = { nobody: ['x'], weak: ['meshtoken'], nowhere: ['admintoken', 1] } as const;
  const unread: readonly (readonly [who: keyof typeof callers, args: readonly string[], says: RegExp])[] = [
    ['nobody', ['check'], /: 401 Unauthorized: .*; it does not know the kubeconfig's user: log in again/],
    [
      'weak',
      ['check'],
      /: 403 Forbidden: .*; give the user the right.*\(kubectl auth can-i (get|list) \w+ (-n istio-system|--all-namespaces)\)/,
    ],
    ['nowhere', ['check'], /: connect ECONNREFUSED .*; is the cluster up, and is this its address\?/],
    [
      'weak',
      ['inject', '-f', '/dev/null'],
      /: 403 Forbidden: .*\(kubectl auth can-i (get configmaps -n istio-system|list nodes --all-namespaces)\)/,
    ],
  ];
  test('what may not or cannot be read is one sentence, with what to do', async () => {
    const { api } = world().cluster;
    await Promise.all(
      unread.map(async ([who, args, says]) => {
        const [token, port] = callers[who];
        const { code, out, err } = await check(await api.kubeconfig({ token }, port ?? api.port), args);
        assert.deepEqual([code, out], [2, ''], who);
        assert.match(err, says);
        assert.match(err, /^.+\nTry 'pilotlight \w+ --help'\.\n$/);
      }),
    );
  });

  test('a server that is none of Kubernetes, or that nobody vouches for, is not taken for a cluster without settings', async () => {
    const kubeconfig = join(await mkdtemp(join(tmpdir(), 'check-')), 'kubeconfig');
    after(() => rm(dirname(kubeconfig), { recursive: true }));
    const contexts = [{ name: 'c', context: { cluster: 'c', user: '' } }];
    for (const [server, says] of [
      [`http://${world().pilotlight.http}`, 'is this the address of an API server?'],
      [
        `https://127.0.0.1:${world().cluster.api.port}`,
        "its certificate is none that the kubeconfig's certificate-authority",
      ],
    ] as const) {
      const clusters = [{ name: 'c', cluster: { server } }];
      await writeFile(kubeconfig, JSON.stringify({ clusters, contexts, 'current-context': 'c' }));
      for (const args of [['check'], ['inject', '-f', '/dev/null']]) {
        const { code, err } = await check(kubeconfig, args);
        assert.equal(code, 2);
        assert.match(err, /^.+; (.+) \(kubectl config view --minify\)\n/);
        assert.ok(err.includes(says), err);
      }
    }
  });
}

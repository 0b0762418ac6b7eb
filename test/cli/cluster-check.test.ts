import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClusterState, checkCluster } from '../../src/cli/cluster-check.ts';
import { webhooksOf } from '../../src/injection/webhooks.ts';
import type { KubePod } from '../../src/istio/kubernetes.ts';
import { settingsOf } from '../injection/case.ts';
import { inThisProcess, pilotlight } from './program.ts';

const ROOT = '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n';
const VERSION = '9.8.7';

const podOf = (name: string, namespace: string, over: Partial<KubePod> = {}, labels = {}): KubePod => ({
  kind: 'Pod',
  meta: {
    key: `Pod/${namespace}/${name}` as never,
    name,
    namespace,
    labels,
    annotations: {},
    createdAt: 0,
    resourceVersion: '',
  },
  ips: [],
  node: 'n',
  serviceAccount: 'default',
  hostname: '',
  subdomain: '',
  hostNetwork: false,
  phase: 'Running',
  ready: true,
  terminating: false,
  containers: [{ name: 'app', image: 'app' }],
  containerPorts: [],
  ownerKind: '',
  ownerName: '',
  ...over,
});

const replica = (over: Partial<KubePod> = {}): KubePod =>
  podOf(
    'istiod-1',
    'istio-system',
    { containers: [{ name: 'discovery', image: `registry.example:5000/pilotlight:${VERSION}` }], ...over },
    { app: 'istiod', 'istio.io/rev': 'default', 'sidecar.istio.io/inject': 'false' },
  );

const hooks = (over: object = {}): ClusterState['webhooks'] => [
  {
    name: 'istio-sidecar-injector',
    webhooks: webhooksOf('default').map(webhook => ({
      ...webhook,
      caBundle: ROOT.trimEnd(),
      service: 'istiod',
      failurePolicy: 'Fail',
      ...over,
    })),
  },
];

const inOrder: ClusterState = {
  rootNamespace: 'istio-system',
  revision: 'default',
  version: VERSION,
  namespaces: new Map([
    ['istio-system', {}],
    ['shop', { 'istio-injection': 'enabled' }],
    ['kube-public', {}],
  ]),
  pods: [replica(), replica()],
  webhooks: hooks(),
  validators: new Map([
    ['others', ['shop-validator']],
    ['istiod-of-another-revision', ['istiod-canary']],
  ]),
  unpulled: [{ namespace: 'shop', pod: 'web-1', container: 'app', image: 'app' }],
  services: new Set(['istiod']),
  roots: new Map([
    ['istio-system', ROOT],
    ['shop', ROOT],
  ]),
  settings: settingsOf({ values: '{}', mesh: '' }),
  mistakes: [],
};

const web = (i: number): KubePod =>
  podOf(`web-${i}`, 'shop', { ownerKind: 'ReplicaSet', ownerName: 'web-abc' }, { 'pod-template-hash': 'abc' });

test('a cluster in order has no findings', () => assert.deepEqual(checkCluster(inOrder), []));

const cases: readonly [says: string, over: Partial<ClusterState>, found: RegExp, command: RegExp][] = [
  ['no replica', { pods: [] }, /^Deployment istio-system\/istiod: there is no replica/, /^pilotlight install \|/],
  [
    "Istio's own",
    {
      pods: [replica({ containers: [{ name: 'discovery', image: 'docker.io/istio/pilot:1.31.0' }] })],
      validators: new Map([['istio-validator-istio-system', ['istiod']]]),
    },
    /^Deployment istio-system\/istiod: it is Istio's own, docker\.io\/istio\/pilot:1\.31\.0; README\.md, "To take over from istiod",/,
    /^kubectl apply -k deploy\/takeover$/,
  ],
  [
    "istiod's webhook that validates",
    { validators: new Map([['istio-validator-istio-system', ['istiod', 'istiod']]]) },
    /^ValidatingWebhookConfiguration istio-validator-istio-system: .* the API server refuses changes/,
    /^kubectl delete validatingwebhookconfiguration istio-validator-istio-system$/,
  ],
  [
    'an image that no node has',
    {
      unpulled: [
        { namespace: 'istio-system', pod: 'istiod-1', container: 'discovery', image: 'pilotlight:1' },
        { namespace: 'shop', pod: 'web-1', container: 'istio-init', image: 'pilotlight:1' },
      ],
    },
    /^image pilotlight:1: the nodes cannot pull it, for istio-system\/istiod-1, shop\/web-1\. Load it into them/,
    /^pilotlight install --set image=IMAGE \| kubectl apply -f -$/,
  ],
  [
    "a sidecar's image that no node has",
    {
      unpulled: ['a', 'b', 'c', 'd'].map(pod => ({
        namespace: 'shop',
        pod,
        container: 'istio-proxy',
        image: 'envoy:1',
      })),
    },
    /^image envoy:1: the nodes cannot pull it, for shop\/a, shop\/b, shop\/c and 1 more$/,
    /^kubectl edit configmap istio-sidecar-injector -n istio-system$/,
  ],
  [
    'none that is ready',
    { pods: [replica({ ready: false })] },
    /no replica of the control plane is ready/,
    /^kubectl logs/,
  ],
  [
    'replicas of two images',
    { pods: [replica(), replica({ containers: [{ name: 'discovery', image: 'pilotlight:1' }] })] },
    /of several images/,
    /rollout status deployment\/istiod/,
  ],
  [
    'of another version than this',
    { version: '9.9.0' },
    /is 9\.8\.7, and this program 9\.9\.0/,
    /registry\.example:5000\/pilotlight:9\.9\.0/,
  ],
  ['no webhooks', { webhooks: [] }, /there are no webhooks/, /^pilotlight install \|/],
  [
    'no bundle',
    { webhooks: hooks({ caBundle: '' }) },
    /caBundle of rev\.namespace, rev\.object, namespace, object is empty/,
    /^kubectl logs/,
  ],
  ['another bundle', { webhooks: hooks({ caBundle: 'x' }) }, /is not the root of the mesh/, /^kubectl logs/],
  ['no Service', { services: new Set() }, /there is no Service istiod in istio-system/, /^pilotlight install/],
  [
    'a policy that lets pods pass',
    { webhooks: hooks({ failurePolicy: 'Ignore' }) },
    /failurePolicy Ignore/,
    /^pilotlight install/,
  ],
  ['no roots', { roots: new Map() }, /^ConfigMap istio-system\/istio-ca-root-cert: it is not there/, /^kubectl logs/],
  [
    'none in a namespace',
    { roots: new Map([['istio-system', ROOT]]) },
    /^ConfigMap shop\/istio-ca-root-cert: it is not there/,
    /^kubectl logs/,
  ],
  [
    'others in a namespace',
    { roots: new Map([...inOrder.roots, ['shop', 'x']]) },
    /^ConfigMap shop\/istio-ca-root-cert: it holds other/,
    /^kubectl logs/,
  ],
  [
    'settings with a mistake',
    { mistakes: [{ object: 'ConfigMap/istio-system/istio', message: 'no' }] },
    /^ConfigMap istio-system\/istio: no/,
    /^kubectl edit configmap istio -n istio-system/,
  ],
  [
    'pods of one workload',
    { pods: [replica(), ...[1, 2, 3, 4].map(web)] },
    /^Deployment shop\/web: pods web-1, web-2, web-3 and 1 more: no sidecar/,
    /^kubectl rollout restart deployment\/web -n shop$/,
  ],
  [
    'a pod that nobody makes',
    { pods: [replica(), podOf('bare', 'shop')] },
    /^Pod shop\/bare: no sidecar/,
    /^kubectl get pod bare -n shop/,
  ],
];

for (const [says, over, found, command] of cases)
  test(`${says}: one finding, with its command`, () => {
    const findings = checkCluster({ ...inOrder, ...over });
    const [first] = findings;
    assert.equal(findings.length, 1, JSON.stringify(findings));
    assert.match(`${first?.about}: ${first?.message}`, found);
    assert.match(first?.command ?? '', command);
  });

test('however large the cluster, what is said of it is bounded, and takes time in proportion', () => {
  const labels: Record<string, string> = { 'istio-injection': 'enabled' };
  const namespaces = new Map([
    ...inOrder.namespaces,
    ...Array.from({ length: 500 }, (_, i) => [`n${i}`, labels] as const),
  ]);
  const of = (ownerKind: string, count: number) =>
    Array.from({ length: count }, (_, i) =>
      podOf(`${ownerKind.toLowerCase()}-${i}`, 'shop', { ownerKind, ownerName: 'many' }),
    );
  const pods = [replica(), ...of('ReplicaSet', 50_000), ...of('Job', 5000)];
  const findings = checkCluster({ ...inOrder, namespaces, pods });
  const texts = findings.map(({ about, message, command }) => `${about}: ${message}\n${command}`);
  assert.equal(findings.length, 3, texts.join('\n').slice(0, 2000));
  assert.match(
    texts[0] ?? '',
    /^ConfigMap n0\/istio-ca-root-cert: it is not there.*; the same in n1, n2, n3 and 496 more\n/,
  );
  assert.ok(texts.every(text => text.length < 1000));
  for (const more of [49_997, 4997])
    assert.match(
      texts.join('\n'),
      new RegExp(`(kubectl delete pod \\S+ -n shop\\n\\s*){3}# and the same for ${more} more`),
    );
});

test('what cannot be checked is one sentence', async () => {
  const revision = await inThisProcess(['check', '--revision', 'A_B']);
  assert.equal(revision.code, 2);
  assert.match(revision.err, /^pilotlight check: --revision: 'A_B' cannot be a revision; expected one such as canary/);
  const nowhere = await pilotlight(['check'], { env: { HOME: '/nowhere', KUBECONFIG: '' } });
  assert.deepEqual([nowhere.code, nowhere.out], [2, '']);
  assert.match(nowhere.err, /^pilotlight check: there is no cluster to check: name one with --kubeconfig FILE/);
});

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { containersOf, findContainer, initContainersOf, type Pod } from '../../src/injection/pod.ts';
import { ApiError } from '../../src/kubernetes/api-error.ts';
import type { Resource } from '../../src/kubernetes/object.ts';
import type { JsonObject } from '../../src/unknown.ts';
import { inThisProcess } from '../cli/program.ts';
import { anyPod } from '../injection/any-pod.ts';
import { noApiServer } from '../kubernetes/api-server.ts';
import { freePorts } from '../support/free-ports.ts';
import { until } from '../support/until.ts';
import { checks } from './kubernetes-check.ts';
import { Pilotlight } from './pilotlight.ts';
import { Cluster } from './secured.ts';
import { manifest, WEBHOOKS, type Webhook, webhooksAt } from './webhooks.ts';

const CONFIG_MAPS: Resource = { apiVersion: 'v1', plural: 'configmaps' };
const settings = { namespace: 'istio-system', name: 'istio-sidecar-injector' };

/** What a pod may ask of its sidecar. */
const choice = fc.record(
  {
    'inject.istio.io/templates': fc.constantFrom('envoy', 'istio-proxy', 'gateway', 'istio-proxy-gateway'),
    'sidecar.istio.io/nativeSidecar': fc.constantFrom('true', 'false'),
    'sidecar.istio.io/interceptionMode': fc.constantFrom('TPROXY', 'NONE'),
  },
  { requiredKeys: [] },
);

describe('with a real API server', { skip: noApiServer, timeout: 3_600_000 }, () => {
  let cluster: Cluster;
  let pilotlight: Pilotlight;
  let kubeconfig: string;
  let serve: () => Promise<Pilotlight>;

  const create = async (pod: Pod, namespace: string, dryRun = true): Promise<Pod> =>
    (await cluster.client.json(`/api/v1/namespaces/${namespace}/pods`, {
      method: 'POST',
      query: { ...(dryRun && { dryRun: 'All' }) },
      body: { apiVersion: 'v1', kind: 'Pod', ...pod },
    })) as Pod;
  const web = (labels: { readonly [name: string]: string } = {}, annotations = {}, spec: JsonObject = {}): Pod => ({
    metadata: { generateName: 'web-', labels, annotations },
    spec: { containers: [{ name: 'web', image: 'web' }], ...spec },
  });
  const isInjected = (pod: Pod) => findContainer(pod, 'istio-proxy') !== undefined;
  const refusal = (making: Promise<Pod>) =>
    making.then(
      pod => assert.fail(`made: ${JSON.stringify(pod)}`),
      (error: unknown) => (error instanceof ApiError ? error.message : assert.fail(String(error))),
    );
  const namespace = async (name: string, labels: { readonly [name: string]: string } = {}) => {
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    await cluster.account('default', name);
  };
  const bundles = async (name: string): Promise<readonly (string | undefined)[]> => {
    const object = (await cluster.admin.get(WEBHOOKS, { name })) as unknown as {
      readonly webhooks: readonly Webhook[];
    };
    return object.webhooks.map(({ clientConfig }) => clientConfig.caBundle);
  };
  /** Somebody writes the webhooks as they are in deploy/. */
  const withoutRoots = async () => {
    const there = (await cluster.admin.get(WEBHOOKS, { name: 'istio-sidecar-injector' })) as unknown as {
      readonly webhooks: readonly Webhook[];
    };
    const webhooks = there.webhooks.map(webhook => ({
      ...webhook,
      clientConfig: { ...webhook.clientConfig, caBundle: null },
    }));
    await cluster.admin.patch(WEBHOOKS, { name: 'istio-sidecar-injector' }, { webhooks });
  };
  const trusted = async (name: string, root: Buffer, count: number) =>
    until(`the roots of ${name}`, async () => {
      const found = await bundles(name);
      return found.length === count && found.every(bundle => bundle === root.toString('base64'));
    });

  before(async () => {
    cluster = await Cluster.start();
    const [tls, webhook] = [`127.0.0.1:${await freePorts()}`, `127.0.0.1:${await freePorts()}`];
    kubeconfig = await cluster.kubeconfig();
    serve = () =>
      Pilotlight.serve(
        ...['--kubeconfig', kubeconfig, '--tls-address', tls, '--webhook-address', webhook],
        ...['--tls-hosts', '127.0.0.1', '--rotation-pace', '1s,1s'],
      );
    pilotlight = await serve();
    await cluster.admin.apply(WEBHOOKS, webhooksAt(webhook));
    await Promise.all([
      namespace('shop', { 'istio-injection': 'enabled' }),
      namespace('revised', { 'istio.io/rev': 'default' }),
      namespace('other', { 'istio.io/rev': 'other' }),
      namespace('off', { 'istio-injection': 'disabled' }),
      namespace('plain'),
      ...['kube-system', 'kube-public', 'kube-node-lease'].map(name =>
        namespace(name, { 'istio-injection': 'enabled' }),
      ),
      cluster.account('default', 'istio-system'),
      cluster.apply(manifest('injection.yaml'), 'istio-system'),
    ]);
    await trusted('istio-sidecar-injector', await cluster.root(), 4);
    await until('readiness', async () => (await pilotlight.page('/ready')).status === 200);
  });
  after(async () => {
    await pilotlight?.stop();
    await cluster?.close();
  });

  checks(() => ({ cluster, pilotlight }));

  const asked = { 'sidecar.istio.io/inject': 'true' };
  const declined = { 'sidecar.istio.io/inject': 'false' };

  test('who is injected, and about whom nobody is asked: by namespace and by pod, under all four webhooks', async () => {
    const table: readonly (readonly [string, Pod, 'injected' | 'skipped' | 'not asked'])[] = [
      ['shop', web(), 'injected'],
      ['shop', web(declined), 'not asked'],
      ['shop', web(declined, asked), 'not asked'],
      ['shop', web({ ...declined, 'istio.io/rev': 'default' }, asked), 'not asked'],
      ['shop', web({}, declined), 'skipped'],
      ['shop', web(asked, declined), 'injected'],
      ['shop', web({}, {}, { hostNetwork: true }), 'skipped'],
      ['shop', web(declined, {}, { hostNetwork: true }), 'not asked'],
      ['shop', web({ 'istio.io/rev': 'other' }), 'injected'],
      ['revised', web(), 'injected'],
      ['revised', web(declined, asked), 'not asked'],
      ['other', web(asked), 'not asked'],
      ['off', web(asked, asked), 'not asked'],
      ['plain', web(), 'not asked'],
      ['plain', web({}, asked), 'not asked'],
      ['plain', web(asked), 'injected'],
      ['plain', web({ 'istio.io/rev': 'default' }), 'injected'],
      ['plain', web({ 'istio.io/rev': 'default' }, declined), 'skipped'],
      ['plain', web({ ...declined, 'istio.io/rev': 'default' }), 'not asked'],
      ['plain', web({ 'istio.io/rev': 'other' }), 'not asked'],
      ['plain', web({ ...asked, 'istio.io/rev': 'other' }), 'not asked'],
      ['istio-system', web(), 'not asked'],
      ['istio-system', web(asked, { 'inject.istio.io/templates': 'gateway' }), 'injected'],
      ['kube-system', web(asked), 'not asked'],
      ['kube-public', web(asked), 'not asked'],
      ['kube-node-lease', web(asked), 'not asked'],
    ];
    const metrics = async () => (await pilotlight.page('/metrics')).body;
    const counts = async () => {
      const body = await metrics();
      const count = (name: string) => Number(new RegExp(`^sidecar_injection_${name} (\\d+)$`, 'm').exec(body)?.[1]);
      const names = ['requests_total', 'time_seconds_count', 'success_total', 'skip_total', 'failure_total'];
      return names.map(count);
    };
    const expected = { injected: [1, 1, 1, 0, 0], skipped: [1, 1, 0, 1, 0], 'not asked': [0, 0, 0, 0, 0] };
    let before = await counts();
    for (const [of, pod, outcome] of table) {
      const what = `${of} ${JSON.stringify(pod.metadata)}`;
      assert.equal(isInjected(await create(pod, of)), outcome === 'injected', what);
      const after = await counts();
      const asking = after.map((count, i) => count - (before[i] ?? 0));
      assert.deepEqual(asking, expected[outcome], what);
      before = after;
    }
    // istiod's types.
    const [body, counters] = [await metrics(), ['requests', 'success', 'skip', 'failure']];
    for (const name of counters) assert.ok(body.includes(`# TYPE sidecar_injection_${name}_total counter\n`), name);
    assert.ok(body.includes('# TYPE sidecar_injection_time_seconds histogram\n'));
    const skipped = table.filter(([, , outcome]) => outcome === 'skipped').length;
    await until('the skipped pods in the log', () => pilotlight.said(/a pod is not injected/).length >= skipped);
    const reasons = pilotlight.said(/a pod is not injected/).map(line => JSON.parse(line).reason as string);
    assert.deepEqual(
      reasons.map(reason => /annotation|hostNetwork/.exec(reason)?.[0]),
      ['annotation', 'hostNetwork', 'annotation'],
    );
  });

  test('cluster and network of the address are in the proxy', async () => {
    const env = findContainer(await create(web(), 'shop'), 'istio-proxy')?.env;
    const values = ['ISTIO_META_CLUSTER_ID', 'ISTIO_META_NETWORK'].map(
      of => env?.find(({ name }) => name === of)?.value,
    );
    assert.deepEqual(values, ['east/1', 'n1']);
  });

  test('a bad annotation refuses the pod, and says which', async () => {
    const said = await refusal(create(web({}, { 'traffic.sidecar.istio.io/includeInboundPorts': 'x' }), 'shop'));
    assert.match(said, /namespace\.sidecar-injector\.istio\.io.*denied the request: .*includeInboundPorts/);
  });

  test('any pod that the API server takes it takes with a sidecar, and injecting it again changes nothing', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(anyPod, choice, async (pod, asks) => {
        const metadata = { ...pod.metadata, annotations: { ...asks, ...pod.metadata?.annotations } };
        const given: Pod = { ...pod, metadata };
        const plain = await create(given, 'plain').catch((error: unknown) => {
          if (error instanceof ApiError && error.code === 422) return undefined;
          throw error;
        });
        if (!plain) return;
        taken++;
        const once = await create(given, 'shop');
        assert.ok(isInjected(once));
        const { name, labels, annotations } = once.metadata ?? {};
        const again = await create(
          { metadata: { name, labels, annotations } as Pod['metadata'], spec: once.spec } as Pod,
          'shop',
        );
        assert.deepEqual(shape(again), shape(once));
      }),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 60) },
    );
    assert.ok(taken > 10, `only ${taken} were taken`);
  });

  test('200 pods at once', async () => {
    const made = await Promise.all(Array.from({ length: 200 }, () => create(web(), 'shop')));
    assert.equal(made.filter(isInjected).length, 200);
  });

  test('the settings are followed; of a version that is not valid the last valid one stays in force, and it is told', async () => {
    const image = async () => findContainer(await create(web(), 'shop'), 'istio-proxy')?.image;
    const set = (data: { readonly [key: string]: string | null }) =>
      cluster.admin.patch(CONFIG_MAPS, settings, { data });
    const problems = async () => (await pilotlight.page('/debug/problems')).body;
    const { data } = (await cluster.admin.get(CONFIG_MAPS, settings)) as unknown as { data: Record<string, string> };
    await set({ values: '{"pilotlight":{"envoyImage":"mine:1"}}' });
    await until('the image', async () => (await image()) === 'mine:1');
    await set({ values: '{"pilotlight":', config: 'policy: sometimes' });
    await until('the problems', async () => {
      const said = await problems();
      return /data\.values/.test(said) && /sometimes.*the last valid data\.config is in force/.test(said);
    });
    assert.equal(await image(), 'mine:1');
    await set({ config: 'policy: disabled', values: data['values'] ?? null });
    await until('the policy', async () => !isInjected(await create(web(), 'shop')));
    assert.ok(isInjected(await create(web(asked), 'shop')));
    assert.doesNotMatch(await problems(), /istio-sidecar-injector/);
    await cluster.admin.delete(CONFIG_MAPS, settings);
    await until('the problem', async () => /it is gone; what it held last is in force/.test(await problems()));
    assert.ok(!isInjected(await create(web(), 'shop')));
    await cluster.apply(manifest('injection.yaml'), 'istio-system');
    await until('the sidecar', async () => isInjected(await create(web(), 'shop')));
  });

  test('the roots are written again when somebody changes them, in tags of the revision too, and nowhere else', async () => {
    const root = await cluster.root();
    const [hook] = webhooksAt('127.0.0.1:1').webhooks;
    const configuration = (name: string, labels: { readonly [name: string]: string }, names: readonly string[]) =>
      cluster.admin.apply(WEBHOOKS, {
        apiVersion: WEBHOOKS.apiVersion,
        kind: 'MutatingWebhookConfiguration',
        metadata: { name, labels },
        webhooks: names.map(of => ({ ...hook, name: of, objectSelector: { matchLabels: { nobody: 'x' } } })),
      });
    const ours = 'rev.namespace.sidecar-injector.istio.io';
    await configuration('istio-revision-tag-prod', { 'istio.io/rev': 'default', 'istio.io/tag': 'prod' }, [ours]);
    await configuration('of-canary', { 'istio.io/rev': 'canary' }, [ours]);
    await configuration('mixed', { 'istio.io/rev': 'default' }, [ours, 'a.b.c']);
    await trusted('istio-revision-tag-prod', root, 1);
    await until('the mixed one', async () => (await bundles('mixed'))[0] === root.toString('base64'));
    assert.deepEqual((await bundles('mixed'))[1], undefined);
    assert.deepEqual(await bundles('of-canary'), [undefined]);
    // Another revision leads for its own webhooks beside the one that leads for the authority.
    const anywhere = ['--tls-address', '127.0.0.1:0', '--webhook-address', '127.0.0.1:0'];
    const canary = await Pilotlight.serve('--kubeconfig', kubeconfig, ...anywhere, '--revision', 'canary');
    await trusted('of-canary', root, 1);
    await canary.stop();

    await withoutRoots();
    await trusted('istio-sidecar-injector', root, 4);
    assert.ok(isInjected(await create(web(), 'shop')));
  });

  test('who empties the roots again and again is not answered each time', async () => {
    const generation = async () => {
      const { metadata } = (await cluster.admin.get(WEBHOOKS, { name: 'istio-sidecar-injector' })) ?? assert.fail();
      return (metadata as { readonly generation?: number }).generation ?? assert.fail();
    };
    const before = await generation();
    for (let round = 0; round < 60; round++) await withoutRoots();
    await until('a word', () => pilotlight.said(/somebody else changes the roots of a webhook/).length === 1);
    await trusted('istio-sidecar-injector', await cluster.root(), 4);
    // Theirs and ours by turns.
    const changes = (await generation()) - before;
    assert.ok(changes < 24, `${changes} changes`);
  });

  test('while one root takes over from another the webhook is known by both, and pods are injected all the while', async () => {
    const caSecret = { namespace: 'istio-system', name: 'istio-ca-secret' };
    const rotate = { metadata: { annotations: { 'pilotlight.io/rotate-root': 'now' } } };
    const before = `${await cluster.root()}`;
    const seen = new Set<number>();
    await cluster.admin.patch({ apiVersion: 'v1', plural: 'secrets' }, caSecret, rotate);
    await until('the other root alone', async () => {
      assert.ok(isInjected(await create(web(), 'shop')));
      const [bundle = ''] = await bundles('istio-sidecar-injector');
      const pem = Buffer.from(bundle, 'base64').toString();
      seen.add(pem.match(/BEGIN CERTIFICATE/g)?.length ?? 0);
      return !pem.includes(before.trim());
    });
    assert.deepEqual([...seen].sort(), [1, 2]);
  });

  test('without the right to write webhooks that is said once, and check says what it means', async () => {
    const roles: Resource = { apiVersion: 'rbac.authorization.k8s.io/v1', plural: 'clusterroles' };
    const role = { name: 'istiod-clusterrole-istio-system' };
    interface Rule {
      readonly resources: readonly string[];
      readonly verbs: readonly string[];
    }
    const { rules } = (await cluster.admin.get(roles, role)) as unknown as { readonly rules: readonly Rule[] };
    const less = rules.map(rule =>
      rule.resources.includes(WEBHOOKS.plural)
        ? { ...rule, verbs: rule.verbs.filter(verb => verb !== 'update') }
        : rule,
    );
    await cluster.admin.patch(roles, role, { rules: less });
    const asks = {
      user: 'system:serviceaccount:istio-system:istiod',
      resourceAttributes: { group: 'admissionregistration.k8s.io', resource: WEBHOOKS.plural, verb: 'update' },
    };
    await until('the right to be gone', async () => {
      const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec: asks };
      const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
      const { status } = (await cluster.client.json(path, { method: 'POST', body })) as {
        status: { allowed: boolean };
      };
      return !status.allowed;
    });
    await withoutRoots();
    const said = () => pilotlight.said(/"403 Forbidden: .*a webhook cannot be given the roots/).length;
    await until('a word', () => said() > 0);
    const { out } = await inThisProcess([
      'check',
      '--kubeconfig',
      await cluster.api.kubeconfig({ token: 'admintoken' }),
    ]);
    assert.match(out, /caBundle of rev\.namespace, rev\.object, namespace, object is empty: .*its log says why/);
    assert.equal(said(), 1);
    await cluster.admin.patch(roles, role, { rules });
  });

  test('while nobody answers, pods that are to be injected are refused and all others made; then they are injected again', async () => {
    await pilotlight.stop();
    assert.match(await refusal(create(web(), 'shop')), /failed calling webhook/);
    assert.match(await refusal(create(web(asked), 'plain')), /failed calling webhook/);
    const free: readonly (readonly [string, Pod])[] = [
      ['plain', web()],
      ['shop', web(declined)],
      ['istio-system', web(declined)],
      ['istio-system', web()],
      ...['kube-system', 'kube-public', 'kube-node-lease'].map(of => [of, web(asked)] as const),
    ];
    for (const [of, pod] of free) assert.ok(!isInjected(await create(pod, of)), of);
    pilotlight = await serve();
    await until('a sidecar', async () => isInjected(await create(web(), 'shop').catch(() => ({}))));
  });
});

/** What injection may have to do with of a pod. */
function shape(pod: Pod): unknown {
  const { labels, annotations } = pod.metadata ?? {};
  const volumes = [...(pod.spec?.volumes ?? [])];
  const { initContainers: _, containers: __, volumes: ___, ...others } = pod.spec ?? {};
  return { labels, annotations, others, volumes, containers: containersOf(pod), initContainers: initContainersOf(pod) };
}
